// The list of files in a zip archive, and the bytes of those that are stored as they are. Nothing
// is unpacked: torch.export stores its files. Believes nothing in the archive.
#pragma once

#include "core/file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitals::torch {

struct ZipEntry {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t header = 0;  // where its local header stands
  std::uint16_t method = 0;  // 0: stored
};

[[nodiscard]] bool begins_like_zip(std::string_view first_bytes);

// Throws Error for an archive that is cut off, spans disks, or lists more than it can hold.
[[nodiscard]] std::vector<ZipEntry> read_zip(const RandomAccessFile& file);

// Throws Error for an entry that is compressed, larger than `most`, or reaches beyond the file.
[[nodiscard]] std::string read_entry(const RandomAccessFile& file, const ZipEntry& entry,
                                     std::uint64_t most);

}  // namespace vitals::torch
