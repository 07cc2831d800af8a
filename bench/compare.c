// compare RUNS "LABEL|AIM|COMMAND" ...: runs the commands in turn, RUNS times each after one unmeasured turn, and prints a
// Markdown table of medians. The first is what the others are divided by. A command is words between blanks, without a
// shell; its output goes to /dev/null. Taking turns makes each pair of runs meet the same load.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct contender {
  char *label, *aim, *words[32];
  double *wall, *cpu;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *all, int count) {
  qsort(all, count, sizeof *all, by_size);
  return (all[count / 2] + all[(count - 1) / 2]) / 2;
}

int main(int count, char **words) {
  int runs = count > 2 ? atoi(words[1]) : 0, contenders = count - 2;
  if (runs < 1) {
    fputs("usage: compare RUNS \"LABEL|AIM|COMMAND\" ...\n", stderr);
    return 2;
  }
  struct contender *all = calloc(contenders, sizeof *all);
  for (int i = 0; i < contenders; i++) {
    char *rest = words[i + 2], *word;
    all[i].label = strsep(&rest, "|");
    all[i].aim = strsep(&rest, "|");
    int n = 0;
    while (rest && n < 31 && (word = strsep(&rest, " ")))
      all[i].words[n++] = word;
    all[i].wall = calloc(runs, sizeof(double));
    all[i].cpu = calloc(runs, sizeof(double));
  }
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
  for (int run = -1; run < runs; run++)
    for (int i = 0; i < contenders; i++) {
      double start = now();
      pid_t pid;
      int status;
      struct rusage used;
      if (posix_spawnp(&pid, all[i].words[0], &quiet, 0, all[i].words, environ) || wait4(pid, &status, 0, &used) < 0 || !WIFEXITED(status) ||
          WEXITSTATUS(status)) {
        fprintf(stderr, "compare: %s failed\n", all[i].label);
        return 1;
      }
      if (run < 0)
        continue;
      all[i].wall[run] = now() - start;
      all[i].cpu[run] = used.ru_utime.tv_sec * 1e3 + used.ru_utime.tv_usec / 1e3 + used.ru_stime.tv_sec * 1e3 + used.ru_stime.tv_usec / 1e3;
    }
  printf("| command | wall, ms | least, ms | CPU, ms | ratio | aim |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
  double base = 0;
  for (int i = 0; i < contenders; i++) {
    double wall = median(all[i].wall, runs), cpu = median(all[i].cpu, runs);
    base = i ? base : wall;
    printf("| `%s` | %.2f | %.2f | %.2f | %.3f | %s%s%s |\n", all[i].label, wall, all[i].wall[0], cpu, wall / base, *all[i].aim ? "≤ " : "", all[i].aim,
           !*all[i].aim ? "" : wall / base <= atof(all[i].aim) ? ", met" : ", **missed**");
  }
}
