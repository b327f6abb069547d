/* SPDX-License-Identifier: MIT */
/* Allocation in C++ thread_local destructors and in key destructors, for several rounds of them. */
#include <memory>
#include <pthread.h>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace
{
pthread_key_t keys[4];
std::vector<void *> left_over;
pthread_mutex_t left_over_lock = PTHREAD_MUTEX_INITIALIZER;

struct local {
	std::vector<std::unique_ptr<std::string>> words;

	~local()
	{
		for (int i = 0; i < 50; i++)
			words.push_back(std::make_unique<std::string>(static_cast<size_t>(i * 9), 't'));
		words.clear();
		exercise(100, 3);
	}
};

thread_local local here;

void on_key(void *value)
{
	auto *rounds = static_cast<int *>(value);

	exercise(100, static_cast<uint64_t>(*rounds));
	if (--*rounds > 0) {
		/* Sets itself again: glibc calls destructors up to four rounds. */
		for (pthread_key_t k : keys)
			if (!pthread_getspecific(k)) {
				pthread_setspecific(k, rounds);
				return;
			}
	}
	std::free(value);
	void *p = std::malloc(333);
	pthread_mutex_lock(&left_over_lock);
	left_over.push_back(p);
	pthread_mutex_unlock(&left_over_lock);
}

void work(int id)
{
	here.words.push_back(std::make_unique<std::string>("x"));
	for (pthread_key_t k : keys) {
		auto *rounds = static_cast<int *>(std::malloc(sizeof(int)));
		*rounds = 1 + id % 3;
		pthread_setspecific(k, rounds);
	}
}
} // namespace

int main()
{
	for (pthread_key_t &k : keys)
		CHECK(pthread_key_create(&k, on_key) == 0);
	for (int i = 0; i < 200; i++) {
		std::thread a(work, i), b(work, i + 1);
		a.join();
		b.join();
	}
	std::printf("destructors left %zu blocks\n", left_over.size());
	for (void *p : left_over)
		std::free(p);
	return 0;
}
