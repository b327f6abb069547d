/* SPDX-License-Identifier: MIT */
/* Exceptions unwind through frames that allocate, in threads, while every allocation is sampled. */
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace
{
struct guard {
	std::unique_ptr<std::string> text = std::make_unique<std::string>(100, 'g');
	int *count;

	explicit guard(int *c) : count(c)
	{
	}
	~guard()
	{
		/* A destructor on the unwinding path that allocates. */
		std::vector<int> v(50, 1);
		*count += v[7];
	}
};

__attribute__((noinline)) int deep(int n, int *count)
{
	guard g(count);

	if (n == 0)
		throw std::runtime_error(std::string(200, 'e'));
	return deep(n - 1, count) + 1;
}

void work(int rounds, int *unwound)
{
	for (int i = 0; i < rounds; i++) {
		try {
			deep(i % 40, unwound);
		} catch (const std::runtime_error &e) {
			CHECK(std::string(e.what()).size() == 200);
		}
		try {
			try {
				throw std::bad_alloc();
			} catch (...) {
				std::throw_with_nested(std::logic_error("outer"));
			}
		} catch (const std::exception &) {
			++*unwound;
		}
	}
}
} // namespace

int main()
{
	int counts[4] = { 0 };
	std::vector<std::thread> threads;

	for (int &c : counts)
		threads.emplace_back(work, 2000, &c);
	for (auto &t : threads)
		t.join();
	std::printf("unwound %d %d %d %d\n", counts[0], counts[1], counts[2], counts[3]);
	return 0;
}
