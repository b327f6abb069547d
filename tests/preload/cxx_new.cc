/* SPDX-License-Identifier: MIT */
/* Every form of operator new and delete, the new-handler, bad_alloc. */
#include <new>
#include <string>
#include <vector>

#include "check.h"

namespace
{
int handler_calls;
void *reserve_block;

void give_up_handler()
{
	if (++handler_calls == 3)
		std::set_new_handler(nullptr);
}

struct own_error {
};

void throwing_handler()
{
	throw own_error();
}

size_t huge()
{
	return hide_size(static_cast<size_t>(PTRDIFF_MAX) - 100);
}

template <typename F> const char *outcome(F allocate)
{
	try {
		void *p = hide(allocate());
		return p ? "block" : "null";
	} catch (const std::bad_alloc &) {
		return "bad_alloc";
	} catch (const own_error &) {
		return "own_error";
	}
}

void refusals(const char *what)
{
	const std::align_val_t al{ 128 };

	std::printf("%s:", what);
	std::printf(" new %s", outcome([] { return ::operator new(huge()); }));
	std::printf(" new[] %s", outcome([] { return ::operator new[](huge()); }));
	std::printf(" aligned %s", outcome([&] { return ::operator new(huge(), al); }));
	std::printf(" aligned[] %s", outcome([&] { return ::operator new[](huge(), al); }));
	std::printf(" nothrow %s", outcome([] { return ::operator new(huge(), std::nothrow); }));
	std::printf(" nothrow[] %s", outcome([] { return ::operator new[](huge(), std::nothrow); }));
	std::printf(" nothrow aligned %s", outcome([&] { return ::operator new(huge(), al, std::nothrow); }));
	std::printf(" nothrow aligned[] %s\n", outcome([&] { return ::operator new[](huge(), al, std::nothrow); }));
}

void *filled(void *p, size_t n, size_t align)
{
	CHECK(p && (reinterpret_cast<uintptr_t>(p) & (align - 1)) == 0);
	memset(p, 0x3c, n);
	return hide(p);
}
} // namespace

int main()
{
	for (size_t n = 0; n < 70000; n = n * 2 + 1) {
		::operator delete(filled(::operator new(n), n, 16));
		::operator delete[](filled(::operator new[](n), n, 16));
		::operator delete(filled(::operator new(n), n, 16), n);
		::operator delete[](filled(::operator new[](n), n, 16), n);
		::operator delete(filled(::operator new(n, std::nothrow), n, 16), std::nothrow);
		::operator delete[](filled(::operator new[](n, std::nothrow), n, 16), std::nothrow);
		for (size_t a = 32; a <= 65536; a *= 8) {
			const std::align_val_t al{ a };

			::operator delete(filled(::operator new(n, al), n, a), al);
			::operator delete[](filled(::operator new[](n, al), n, a), al);
			::operator delete(filled(::operator new(n, al), n, a), n, al);
			::operator delete[](filled(::operator new[](n, al), n, a), n, al);
			::operator delete(filled(::operator new(n, al, std::nothrow), n, a), al, std::nothrow);
			::operator delete[](filled(::operator new[](n, al, std::nothrow), n, a), al, std::nothrow);
		}
		/* new and malloc share one heap in every program that mixes C and C++ */
		std::free(filled(::operator new(n), n, 16));
		::operator delete(filled(std::malloc(n), n, 16));
	}
	refusals("no handler");
	std::set_new_handler(throwing_handler);
	refusals("throwing handler");
	std::set_new_handler(give_up_handler);
	std::printf("handler that gives up: %s", outcome([] { return ::operator new(huge()); }));
	std::printf(" after %d calls\n", handler_calls);
	std::set_new_handler(nullptr);
	errno = 0;
	reserve_block = std::malloc(huge());
	std::printf("malloc calls no handler: %s\n", errno == ENOMEM && !reserve_block ? "yes" : "no");

	std::vector<std::string> words;
	for (int i = 0; i < 20000; i++)
		words.push_back(std::string(static_cast<size_t>(i % 90), 'x'));
	size_t total = 0;
	for (const auto &w : words)
		total += w.size();
	std::printf("strings hold %zu\n", total);
	return 0;
}
