#include "tensorrt/open_by_name.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

namespace tft::tensorrt {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "open_by_name knows x86-64 and arm64"
#endif

/// At least the size of a page anywhere.
constexpr Elf64_Xword kAlignment = 0x10000;

/// Everything but the strings, which follow it in the file and in memory.
struct Image {
  Elf64_Ehdr header = {};
  std::array<Elf64_Phdr, 3> segments = {};
  std::array<Elf64_Dyn, 7> dynamic = {};
  Elf64_Sym no_symbol = {};
};

Elf64_Dyn entry(Elf64_Sxword tag, Elf64_Xword value) {
  Elf64_Dyn made = {};
  made.d_tag = tag;
  made.d_un.d_val = value;
  return made;
}

Elf64_Phdr segment(Elf64_Word type, Elf64_Off offset, Elf64_Xword size, Elf64_Xword alignment) {
  Elf64_Phdr made = {};
  made.p_type = type;
  made.p_flags = PF_R | PF_W;
  made.p_offset = offset;
  made.p_vaddr = offset;
  made.p_paddr = offset;
  made.p_filesz = size;
  made.p_memsz = size;
  made.p_align = alignment;
  return made;
}

/// The file of a library that needs `name`, which is in `folder`.
std::string library_that_needs(const std::string& name, const std::string& folder) {
  const std::string strings = std::string(1, '\0') + name + '\0' + folder + '\0';
  Image image;
  std::memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_ident[EI_CLASS] = ELFCLASS64;
  image.header.e_ident[EI_DATA] = ELFDATA2LSB;
  image.header.e_ident[EI_VERSION] = EV_CURRENT;
  image.header.e_type = ET_DYN;
  image.header.e_machine = kMachine;
  image.header.e_version = EV_CURRENT;
  image.header.e_phoff = offsetof(Image, segments);
  image.header.e_ehsize = sizeof(Elf64_Ehdr);
  image.header.e_phentsize = sizeof(Elf64_Phdr);
  image.header.e_phnum = image.segments.size();
  image.segments = {segment(PT_LOAD, 0, sizeof(Image) + strings.size(), kAlignment),
                    segment(PT_DYNAMIC, offsetof(Image, dynamic), sizeof(image.dynamic), alignof(Elf64_Dyn)),
                    // Without this, the loader makes the stacks executable.
                    segment(PT_GNU_STACK, 0, 0, 16)};
  image.dynamic = {entry(DT_NEEDED, 1),
                   entry(DT_RUNPATH, 1 + name.size() + 1),
                   entry(DT_STRTAB, sizeof(Image)),
                   entry(DT_STRSZ, strings.size()),
                   entry(DT_SYMTAB, offsetof(Image, no_symbol)),
                   entry(DT_SYMENT, sizeof(Elf64_Sym)),
                   entry(DT_NULL, 0)};
  return std::string(reinterpret_cast<const char*>(&image), sizeof(Image)) + strings;
}

/// Opens what the library needs by its name, and nothing more: the library itself is closed again. Otherwise
/// the loader would take the next one, in a file with the same number, for this one.
bool open_what_it_needs(const std::string& content, const std::string& name, int mode) {
  const int file = memfd_create("tft-open-by-name", MFD_CLOEXEC);
  if (file < 0) return false;
  bool opened = false;
  if (write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size())) {
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    if (void* const handle = dlopen(path.c_str(), mode)) {
      opened = dlopen(name.c_str(), mode) != nullptr;
      dlclose(handle);
    }
  }
  close(file);
  return opened;
}

}  // namespace

void open_by_name(const std::filesystem::path& library, int mode) {
  const std::string name = library.filename().string();
  std::error_code unresolved;
  const std::string folder = std::filesystem::absolute(library, unresolved).parent_path().string();
  // In a run path a colon separates folders, and a dollar sign begins the loader's variables.
  const bool can_be_named = !unresolved && folder.find_first_of(":$") == std::string::npos;
  if (can_be_named && open_what_it_needs(library_that_needs(name, folder), name, mode)) return;
  (void)dlopen(library.c_str(), mode);
}

}  // namespace tft::tensorrt
