/* Micro workloads that need fork(2) itself: `fork` or `exec`, seconds. Prints how many times it did it, and the p50 and p99 in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

#define MAX_SAMPLES 65536

static double samples[MAX_SAMPLES];

static int compare(const void *one, const void *other)
{
	double difference = *(const double *)one - *(const double *)other;
	return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	int execute = !strcmp(argv[1], "exec");
	double end = now() + atof(argv[2]);
	char *arguments[] = {"/bin/true", NULL};
	long done = 0;
	double begun = now();
	while (begun < end) {
		pid_t child = fork();
		if (child < 0)
			return 1;
		if (child == 0) {
			if (execute)
				execve(arguments[0], arguments, environ);
			_exit(execute ? 127 : 0);
		}
		int status;
		if (waitpid(child, &status, 0) != child || status)
			return 1;
		double ended = now();
		samples[done++ % MAX_SAMPLES] = ended - begun;
		begun = ended;
	}
	long kept = done < MAX_SAMPLES ? done : MAX_SAMPLES;
	qsort(samples, kept, sizeof *samples, compare);
	printf("%ld %.0f %.0f\n", done, samples[kept / 2] * 1e9, samples[kept * 99 / 100] * 1e9);
	return 0;
}
