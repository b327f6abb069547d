/* SPDX-License-Identifier: MIT */
#include "sym/elffile.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libdw would read a file that was cut off as far as it goes; its tables may be another file's by then. */
static bool is_complete(Elf *elf, uint64_t size)
{
	GElf_Ehdr header;
	GElf_Phdr phdr;
	size_t n;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return false;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return false;
	if (header.e_shoff > size || (uint64_t)header.e_shnum * header.e_shentsize > size - header.e_shoff)
		return false;
	if (elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(elf, (int)i, &phdr))
			return false;
		if (phdr.p_type == PT_LOAD && (phdr.p_offset > size || phdr.p_filesz > size - phdr.p_offset))
			return false;
	}
	return n > 0;
}

static bool is_build_id_note(Elf_Data *data, const GElf_Nhdr *note, size_t name)
{
	return note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof(ELF_NOTE_GNU) &&
	       memcmp((char *)data->d_buf + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0;
}

static bool has_build_id(Elf *elf, const uint8_t *id, size_t id_bytes)
{
	GElf_Phdr phdr;
	size_t n;

	if (elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t at = 0, name, description;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_NOTE)
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, phdr.p_filesz,
					    phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		while (data && (at = gelf_getnote(data, at, &note, &name, &description)) > 0)
			if (is_build_id_note(data, &note, name))
				return note.n_descsz == id_bytes &&
				       memcmp((char *)data->d_buf + description, id, id_bytes) == 0;
	}
	return false;
}

int ht_elf_open(const char *path, const uint8_t *id, size_t id_bytes, bool must_match)
{
	/* nonblocking: the path may name a fifo */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	Elf *elf = NULL;
	bool good = false;

	if (fd < 0)
		return -1;
	elf_version(EV_CURRENT);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf) {
		good = is_complete(elf, (uint64_t)st.st_size) &&
		       (id_bytes ? has_build_id(elf, id, id_bytes) : !must_match);
		elf_end(elf);
	}
	if (!good) {
		close(fd);
		return -1;
	}
	return fd;
}
