// load KIND KIB NAME [ARG]: a process, or a small family, that puts a known amount of its memory into swap and then waits
// to be killed. Prints one line when all of it is out: "ready PID", then for a family its other pids, or "id N" for a
// System V segment. NAME is the kernel's name of the process, any bytes but NUL.
//
//   private     its own memory                             fork        the same, shared by ARG children
//   threads     the same, with four more threads           ended       its first thread has ended, another lives on
//   twin        two processes with one memory (CLONE_VM)   readback    all of it read again: in memory, slots kept
//   cow         private copies of a file in tmpfs (ARG)    memfd       a memfd, open and not mapped
//   shared      a shared anonymous mapping                 segment     a System V segment, attached
//   leaked      a System V segment that nobody has         tmpfs       a file in tmpfs (ARG) that nobody has open
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static const size_t page = 4096;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void rest(void) {
  for (;;)
    pause();
}

static void *rest_on(void *nothing) {
  rest();
  return nothing;
}

static int rest_as(void *name) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, name);
  rest();
  return 0;
}

// No page is of one value, and no two are equal: neither zero pages nor merged ones.
static void fill(unsigned char *at, size_t size) {
  uint64_t state = ((uint64_t)getpid() << 32) | 0x9e3779b9u;
  for (size_t i = 0; i < size; i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    memcpy(at + i, &state, 8);
  }
}

// What of all mappings of this process is in swap, shared ones included. Not mincore(2): it takes a page that has been
// written out and still waits in the swap cache for one in memory.
static size_t swapped_bytes(void) {
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  char line[256];
  size_t kib = 0;
  while (file && fgets(line, sizeof line, file))
    sscanf(line, "Swap: %zu", &kib);
  if (file)
    fclose(file);
  return kib * 1024;
}

// Asked again until all of it is out: pages that wait in a CPU's list are passed over.
static void push_out(void *at, size_t size) {
  for (int i = 0; i < 500 && swapped_bytes() < size; i++) {
    if (madvise(at, size, MADV_PAGEOUT))
      fail("MADV_PAGEOUT");
    usleep(10000);
  }
  if (swapped_bytes() < size) {
    fputs("the pages did not go out\n", stderr);
    exit(1);
  }
}

static void ready(const char *more) {
  printf("ready %d%s\n", getpid(), more);
  fflush(stdout);
}

static void *map(size_t size, int flags, int fd) {
  void *at = mmap(0, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (at == MAP_FAILED)
    fail("mmap");
  madvise(at, size, MADV_NOHUGEPAGE);
  return at;
}

// A shared mapping of a file, filled and pushed out, and unmapped again.
static void put_file_out(int fd, size_t size) {
  if (fd < 0 || ftruncate(fd, size))
    fail("file");
  void *at = map(size, MAP_SHARED, fd);
  fill(at, size);
  push_out(at, size);
  munmap(at, size);
}

int main(int count, char **words) {
  if (count < 4) {
    fputs("usage: load KIND KIB NAME [ARG]\n", stderr);
    return 2;
  }
  const char *kind = words[1], *argument = count > 4 ? words[4] : "";
  size_t size = strtoul(words[2], 0, 10) * 1024;
  char more[512] = "";
  prctl(PR_SET_NAME, words[3]);

  if (!strcmp(kind, "memfd")) {
    put_file_out(memfd_create(argument, 0), size);
    ready("");
    rest();
  }
  if (!strcmp(kind, "tmpfs")) {
    int fd = open(argument, O_RDWR | O_CREAT | O_EXCL, 0600);
    put_file_out(fd, size);
    close(fd);
    ready("");
    return 0;
  }
  if (!strcmp(kind, "segment") || !strcmp(kind, "leaked")) {
    int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    void *at = shmat(id, 0, 0);
    fill(at, size);
    push_out(at, size);
    snprintf(more, sizeof more, " id %d", id);
    if (!strcmp(kind, "leaked"))
      shmdt(at);
    ready(more);
    if (!strcmp(kind, "leaked"))
      return 0;
    rest();
  }
  if (!strcmp(kind, "shared")) {
    void *at = map(size, MAP_SHARED | MAP_ANONYMOUS, -1);
    fill(at, size);
    push_out(at, size);
    ready("");
    rest();
  }

  int is_cow = !strcmp(kind, "cow");
  int fd = is_cow ? open(argument, O_RDWR | O_CREAT | O_EXCL, 0600) : -1;
  if (is_cow && (fd < 0 || ftruncate(fd, size)))
    fail("file");
  unsigned char *at = map(size, MAP_PRIVATE | (is_cow ? 0 : MAP_ANONYMOUS), fd);
  fill(at, size);
  push_out(at, size);
  if (!strcmp(kind, "fork"))
    for (int i = 0; i < atoi(argument); i++) {
      pid_t child = fork();
      if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        rest();
      }
      snprintf(more + strlen(more), sizeof more - strlen(more), " %d", child);
    }
  if (!strcmp(kind, "twin")) {
    char *stack = malloc(65536);
    snprintf(more, sizeof more, " %d", clone(rest_as, stack + 65536, CLONE_VM | SIGCHLD, (void *)"twin"));
  }
  pthread_t thread;
  if (!strcmp(kind, "threads"))
    for (int i = 0; i < 4; i++)
      pthread_create(&thread, 0, rest_on, 0);
  if (!strcmp(kind, "readback")) {
    volatile unsigned sum = 0;
    for (size_t i = 0; i < size; i += page)
      sum += at[i];
  }
  if (!strcmp(kind, "ended")) {
    pthread_create(&thread, 0, rest_on, 0);
    ready("");
    syscall(SYS_exit, 0);
  }
  ready(more);
  rest();
}
