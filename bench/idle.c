// idle PROCESSES THREADS KIB: makes so many sleeping processes with so many more threads each; every 16th has KIB of
// its memory in swap. Prints "ready" when all are there. They end with it.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *sleep_on(void *nothing) {
  for (;;)
    pause();
  return nothing;
}

int main(int count, char **words) {
  if (count != 4) {
    fputs("usage: idle PROCESSES THREADS KIB\n", stderr);
    return 2;
  }
  int processes = atoi(words[1]), threads = atoi(words[2]);
  size_t bytes = (size_t)atoi(words[3]) * 1024;
  pid_t self = getpid();
  int told[2];
  if (pipe(told))
    return 1;
  for (int i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) {
      perror("fork");
      return 1;
    }
    if (child > 0)
      continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
      return 1;
    if (bytes && i % 16 == 0) {
      char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memset(memory, 1 + i % 250, bytes);
      madvise(memory, bytes, MADV_PAGEOUT);
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int t = 0; t < threads; t++) {
      pthread_t thread;
      pthread_create(&thread, &small, sleep_on, 0);
    }
    if (write(told[1], ".", 1) != 1)
      return 1;
    sleep_on(0);
  }
  char some[4096];
  for (int seen = 0; seen < processes;) {
    ssize_t got = read(told[0], some, sizeof some);
    if (got <= 0)
      return 1;
    seen += got;
  }
  puts("ready");
  fflush(stdout);
  sleep_on(0);
}
