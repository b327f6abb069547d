/* SPDX-License-Identifier: MIT */
/*
 * base/ lies below os/sys.h, so libc's syscall() does the calls here: it is no cancellation point and neither
 * allocates nor locks; the errno that it may set is put back.
 */
#include "base/rawio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

#define MESSAGE_FD 2
#define KERNEL_SIGSET_BYTES 8

/* What descriptor 2 was when the library started. */
static struct {
	bool known;
	uint64_t dev, ino;
} first;

static uint32_t n_warnings;

struct out {
	char *buf;
	size_t cap, len; /* len < cap */
};

static void put_char(struct out *out, char c)
{
	if (out->len + 1 < out->cap)
		out->buf[out->len++] = c;
}

static void put_padded(struct out *out, const char *text, size_t len, size_t width, char pad)
{
	bool left = pad == '-';

	if (!left)
		for (size_t i = len; i < width; i++)
			put_char(out, pad);
	for (size_t i = 0; i < len; i++)
		put_char(out, text[i]);
	if (left)
		for (size_t i = len; i < width; i++)
			put_char(out, ' ');
}

/* 64 bits in base 10 are 20 digits; one more for the sign, two for 0x. */
#define DIGITS 24

static void put_number(struct out *out, uint64_t n, unsigned base, const char *sign, size_t width, char pad)
{
	char digits[DIGITS];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[n % base];
	while ((n /= base) != 0);
	if (pad == '0') {
		size_t n_sign = strlen(sign);

		put_padded(out, sign, n_sign, 0, ' ');
		put_padded(out, digits + at, sizeof(digits) - at, width > n_sign ? width - n_sign : 0, '0');
		return;
	}
	for (size_t i = strlen(sign); i > 0; i--)
		digits[--at] = sign[i - 1];
	put_padded(out, digits + at, sizeof(digits) - at, width, pad);
}

struct spec {
	char pad; /* ' ', '0' or '-' */
	char conv;
	bool is_long;
	size_t width, precision;
};

/* `f` points behind the '%'; returns what follows the conversion, or NULL for one that is not ours. */
static const char *read_spec(const char *f, struct spec *spec, va_list *ap)
{
	spec->pad = ' ';
	spec->is_long = false;
	spec->width = 0;
	spec->precision = SIZE_MAX;
	if (*f == '-' || *f == '0')
		spec->pad = *f++;
	for (; *f >= '0' && *f <= '9' && spec->width < HS_LINE_BYTES; f++)
		spec->width = spec->width * 10 + (size_t)(*f - '0');
	if (f[0] == '.' && f[1] == '*') {
		int precision = va_arg(*ap, int);

		spec->precision = precision < 0 ? SIZE_MAX : (size_t)precision;
		f += 2;
	} else if (f[0] == '.') {
		for (f++, spec->precision = 0; *f >= '0' && *f <= '9' && spec->precision < HS_LINE_BYTES; f++)
			spec->precision = spec->precision * 10 + (size_t)(*f - '0');
	}
	if (*f == 'l' || *f == 'z') {
		spec->is_long = true;
		f++;
	}
	spec->conv = *f;
	return *f != '\0' && strchr("scduxp%", *f) != NULL ? f + 1 : NULL;
}

static void put_spec(struct out *out, const struct spec *spec, va_list *ap)
{
	switch (spec->conv) {
	case 's': {
		const char *s = va_arg(*ap, const char *);

		if (s == NULL)
			s = "(null)";
		put_padded(out, s, strnlen(s, spec->precision), spec->width, spec->pad);
		break;
	}
	case 'c': {
		char c = (char)va_arg(*ap, int);

		put_padded(out, &c, 1, spec->width, spec->pad);
		break;
	}
	case 'd': {
		int64_t d = spec->is_long ? va_arg(*ap, long) : va_arg(*ap, int);

		put_number(out, d < 0 ? -(uint64_t)d : (uint64_t)d, 10, d < 0 ? "-" : "", spec->width, spec->pad);
		break;
	}
	case 'p':
		put_number(out, (uintptr_t)va_arg(*ap, void *), 16, "0x", spec->width, spec->pad);
		break;
	case '%':
		put_char(out, '%');
		break;
	default: {
		uint64_t u = spec->is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);

		put_number(out, u, spec->conv == 'x' ? 16 : 10, "", spec->width, spec->pad);
	}
	}
}

size_t hs_vformat(char *buf, size_t cap, const char *fmt, va_list ap)
{
	struct out out = {buf, cap, 0};
	struct spec spec;
	va_list args;

	if (cap == 0)
		return 0;
	va_copy(args, ap);
	while (*fmt != '\0') {
		const char *rest = *fmt == '%' ? read_spec(fmt + 1, &spec, &args) : NULL;

		if (rest == NULL) {
			put_char(&out, *fmt++);
			continue;
		}
		put_spec(&out, &spec, &args);
		fmt = rest;
	}
	va_end(args);
	buf[out.len] = '\0';
	return out.len;
}

size_t hs_format(char *buf, size_t cap, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = hs_vformat(buf, cap, fmt, ap);
	va_end(ap);
	return len;
}

bool hs_parse_u64(const char **text, uint64_t *ret_value)
{
	const char *s = *text;
	uint64_t value = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return false;
	*text = s;
	*ret_value = value;
	return true;
}

void hs_rawio_init(void)
{
	struct stat st;
	int saved = errno;

	if (syscall(SYS_fstat, MESSAGE_FD, &st) == 0) {
		first.dev = st.st_dev;
		first.ino = st.st_ino;
	} else {
		first.dev = first.ino = UINT64_MAX; /* was closed: nothing can be the same */
	}
	first.known = true;
	errno = saved;
}

static bool may_write(void)
{
	struct stat st;
	long flags;

	if (!first.known)
		return true;
	if (syscall(SYS_fstat, MESSAGE_FD, &st) != 0)
		return false;
	if ((st.st_dev == first.dev && st.st_ino == first.ino) || S_ISCHR(st.st_mode))
		return true;
	flags = syscall(SYS_fcntl, MESSAGE_FD, F_GETFL);
	return S_ISREG(st.st_mode) && flags >= 0 && (flags & O_APPEND) != 0;
}

/* A reader of our pipe may be gone; the SIGPIPE of that belongs to nobody and must not end the program. */
static void write_line(const char *line, size_t len)
{
	uint64_t pipe_bit = UINT64_C(1) << (SIGPIPE - 1);
	uint64_t old = 0, pending = 0;
	struct timespec none = {0, 0};
	int saved = errno;

	if (may_write() && syscall(SYS_rt_sigprocmask, SIG_BLOCK, &pipe_bit, &old, KERNEL_SIGSET_BYTES) == 0) {
		(void)syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_BYTES);
		if (syscall(SYS_write, MESSAGE_FD, line, len) < 0 && errno == EPIPE && (pending & pipe_bit) == 0)
			(void)syscall(SYS_rt_sigtimedwait, &pipe_bit, NULL, &none, KERNEL_SIGSET_BYTES);
		(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, KERNEL_SIGSET_BYTES);
	}
	errno = saved;
}

static void print(const char *prefix, const char *fmt, va_list ap)
{
	char line[HS_LINE_BYTES];
	size_t len = hs_format(line, sizeof(line) - 1, "heapspy: %s", prefix);

	len += hs_vformat(line + len, sizeof(line) - 1 - len, fmt, ap);
	line[len++] = '\n';
	write_line(line, len);
}

void hs_warn(const char *fmt, ...)
{
	va_list ap;

	if (hs_add_relaxed(&n_warnings, 1) >= HS_WARN_BUDGET) {
		hs_store_relaxed(&n_warnings, HS_WARN_BUDGET); /* never wraps */
		return;
	}
	va_start(ap, fmt);
	print("warning: ", fmt, ap);
	va_end(ap);
}

void hs_message(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("", fmt, ap);
	va_end(ap);
}

void hs_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("fatal: ", fmt, ap);
	va_end(ap);
	abort();
}

void hs_assert_failed(const char *file, int line, const char *text)
{
	hs_fatal("%s:%d: %s does not hold", file, line, text);
}
