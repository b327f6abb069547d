/* SPDX-License-Identifier: MIT */
#include "stat/identity.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <heapspy/heapspy.h>

#include "base/bits.h"
#include "base/rawio.h"
#include "os/sys.h"
#include "os/vm.h"

long hs_read_file(const char *path, char *buf, size_t cap)
{
	long fd = hs_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	size_t len = 0;
	long n;

	if (fd < 0)
		return fd;
	do {
		n = hs_syscall3(SYS_read, fd, buf + len, cap - 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (len < cap - 1 && (n > 0 || n == -EINTR));
	(void)hs_syscall1(SYS_close, fd);
	buf[len] = '\0';
	return n < 0 ? n : (long)len;
}

static void copy_text(char *to, size_t cap, const char *from, size_t len)
{
	len = hs_min(len, cap - 1);
	memcpy(to, from, len);
	memset(to + len, 0, cap - len);
}

#define FIELD_START 22 /* of /proc/PID/stat; the command in parentheses is field 2 */

static void fill_from_stat(struct heapspy_header *header)
{
	char text[1024];
	const char *open, *close, *at;
	uint64_t value;

	if (hs_read_file("/proc/self/stat", text, sizeof(text)) < 0)
		return;
	open = strchr(text, '(');
	close = strrchr(text, ')'); /* the name itself may hold parentheses and blanks */
	if (open == NULL || close == NULL || close < open)
		return;
	copy_text(header->comm, sizeof(header->comm), open + 1, (size_t)(close - open - 1));
	at = close + 1;
	for (int field = 3; field <= FIELD_START; field++) {
		at = strchr(at, ' ');
		if (at == NULL)
			return;
		at++;
	}
	if (hs_parse_u64(&at, &value))
		header->start_ticks = value;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void fill_boot_id(struct heapspy_header *header)
{
	char text[64];
	size_t n = 0;

	memset(header->boot_id, 0, sizeof(header->boot_id));
	if (hs_read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)) < 0)
		return;
	for (const char *s = text; *s != '\0' && n < 2 * sizeof(header->boot_id); s++) {
		int digit = hex_digit(*s);

		if (digit < 0)
			continue; /* the dashes */
		header->boot_id[n / 2] = (uint8_t)(header->boot_id[n / 2] << 4 | digit);
		n++;
	}
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return hs_syscall4(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0 ? st.st_ino : 0;
}

static void fill_exe(struct heapspy_header *header)
{
	memset(header->exe, 0, sizeof(header->exe));
	(void)hs_syscall4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", header->exe, sizeof(header->exe) - 1);
}

/* Finds NT_GNU_BUILD_ID in one PT_NOTE segment. */
static bool note_build_id(const char *note, size_t bytes, struct heapspy_header *header)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)(const void *)note;
		size_t name = hs_align_up(n->n_namesz, 4);
		size_t desc = hs_align_up(n->n_descsz, 4);
		size_t all = sizeof(*n) + name + desc;

		if (all > bytes)
			return false;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && memcmp(n + 1, "GNU", 4) == 0 &&
		    n->n_descsz <= sizeof(header->build_id)) {
			memcpy(header->build_id, note + sizeof(*n) + name, n->n_descsz);
			header->build_id_bytes = n->n_descsz;
			return true;
		}
		note += all;
		bytes -= all;
	}
	return false;
}

/* The kernel tells where the program headers are; dl_iterate_phdr would take the loader's lock. */
static void fill_build_id(struct heapspy_header *header)
{
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM);
	const char *bias = NULL;

	header->build_id_bytes = 0;
	memset(header->build_id, 0, sizeof(header->build_id));
	if (ph == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		if (ph[i].p_type == PT_PHDR)
			bias = (const char *)ph - ph[i].p_vaddr;
	for (size_t i = 0; i < n; i++)
		if (ph[i].p_type == PT_NOTE && note_build_id(bias + ph[i].p_vaddr, ph[i].p_memsz, header))
			return;
}

static uint32_t count_cpus(void)
{
	uint64_t mask[128]; /* 8192 processors */
	long bytes = hs_syscall3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	uint32_t n = 0;

	for (long i = 0; i < bytes / (long)sizeof(mask[0]); i++)
		n += (uint32_t)__builtin_popcountll(mask[i]);
	return n != 0 ? n : 1;
}

void hs_identity_name(struct heapspy_header *header, uint64_t fallback_ticks)
{
	header->pid = hs_getpid();
	header->start_ticks = fallback_ticks;
	fill_from_stat(header);
}

void hs_identity_fill(struct heapspy_header *header, const struct hs_segment_conf *conf, uint64_t fallback_ticks)
{
	hs_identity_name(header, fallback_ticks);
	header->uid = (uint32_t)hs_syscall0(SYS_geteuid);
	fill_boot_id(header);
	header->pidns_inode = inode_of("/proc/self/ns/pid");
	fill_exe(header);
	fill_build_id(header);
	copy_text(header->version, sizeof(header->version), HEAPSPY_VERSION_STRING, strlen(HEAPSPY_VERSION_STRING));
	copy_text(header->policy, sizeof(header->policy), conf->policy, strlen(conf->policy));
	header->kernel_page_bytes = (uint32_t)hs_vm_page_bytes();
	header->page_bytes = conf->page_bytes;
	header->sample_interval_bytes = conf->sample_interval_bytes;
	header->decay_ms = conf->decay_ms;
	header->n_arenas = conf->n_arenas;
	header->thp = conf->thp;
	header->helper = conf->helper;
	header->control = conf->control;
	header->n_cpus = count_cpus();
}

bool hs_identity_same(const struct heapspy_header *mine, const struct heapspy_header *other)
{
	return other->magic == HEAPSPY_MAGIC && other->pid == mine->pid && other->start_ticks == mine->start_ticks &&
	       other->pidns_inode == mine->pidns_inode && other->uid == mine->uid &&
	       memcmp(other->boot_id, mine->boot_id, sizeof(mine->boot_id)) == 0;
}
