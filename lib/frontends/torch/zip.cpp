#include "frontends/torch/zip.h"

#include "core/count.h"
#include "core/error.h"
#include "core/text.h"

#include <algorithm>
#include <span>

namespace vitals::torch {
namespace {

// PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
constexpr std::string_view kLocal = "PK\x03\x04";
constexpr std::string_view kCentral = "PK\x01\x02";
constexpr std::string_view kEnd = "PK\x05\x06";
constexpr std::string_view kEnd64 = "PK\x06\x06";
constexpr std::string_view kLocator64 = "PK\x06\x07";
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kMaxComment = 65535;
constexpr std::size_t kCentralBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::uint64_t kMaxDirectory = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxEntries = 1'000'000;

std::uint64_t number(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;)
    value = value << 8U | static_cast<unsigned char>(bytes[offset + i]);
  return value;
}

std::string piece(const RandomAccessFile& file, std::uint64_t offset, std::uint64_t bytes) {
  if (offset > file.size() || bytes > file.size() - offset)
    fail("the archive points beyond its {} bytes; it is cut off", file.size());
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

Directory find_directory(const RandomAccessFile& file) {
  const auto tail_bytes = std::min<std::uint64_t>(file.size(), kEndBytes + kMaxComment);
  const auto tail = piece(file, file.size() - tail_bytes, tail_bytes);
  const auto at = tail.rfind(kEnd);
  if (at == std::string::npos || tail.size() - at < kEndBytes)
    fail("no end of the zip archive's directory is found; the file is cut off");
  Directory d{number(tail, at + 10, 2), number(tail, at + 12, 4), number(tail, at + 16, 4)};
  if (d.entries != 0xffff && d.bytes != 0xffffffff && d.offset != 0xffffffff) return d;
  // The large form stands before, and is found by its own locator.
  if (at < 20 || tail.substr(at - 20, 4) != kLocator64)
    fail("the zip archive's directory has no 64-bit form, which its numbers ask for");
  const auto end64 = piece(file, number(tail, at - 20 + 8, 8), 56);
  if (!end64.starts_with(kEnd64))
    fail("the zip archive's 64-bit directory is not where it is said to be");
  return {number(end64, 32, 8), number(end64, 40, 8), number(end64, 48, 8)};
}

// Numbers that do not fit into 32 bits stand in an extra field, in this order.
void read_extra(std::string_view extra, ZipEntry& entry) {
  while (extra.size() >= 4) {
    const auto id = number(extra, 0, 2);
    const auto size = number(extra, 2, 2);
    if (size > extra.size() - 4) return;
    auto field = extra.substr(4, static_cast<std::size_t>(size));
    extra.remove_prefix(4 + static_cast<std::size_t>(size));
    if (id != 1) continue;
    for (auto* value : {&entry.bytes, &entry.packed_bytes, &entry.header}) {
      if (*value != 0xffffffff || field.size() < 8) continue;
      *value = number(field, 0, 8);
      field.remove_prefix(8);
    }
  }
}

}  // namespace

bool begins_like_zip(std::string_view first_bytes) { return first_bytes.starts_with(kLocal); }

std::vector<ZipEntry> read_zip(const RandomAccessFile& file) {
  const auto d = find_directory(file);
  if (d.entries > kMaxEntries || d.bytes > kMaxDirectory || d.entries > d.bytes / kCentralBytes)
    fail("the zip archive is said to have {} files in a directory of {} bytes", d.entries, d.bytes);
  const auto directory = piece(file, d.offset, d.bytes);
  std::vector<ZipEntry> entries;
  std::string_view rest = directory;
  for (std::uint64_t i = 0; i < d.entries; ++i) {
    if (rest.size() < kCentralBytes || !rest.starts_with(kCentral))
      fail("file {} of {} is missing in the zip archive's directory", i + 1, d.entries);
    const auto name = static_cast<std::size_t>(number(rest, 28, 2));
    const auto extra = static_cast<std::size_t>(number(rest, 30, 2));
    const auto comment = static_cast<std::size_t>(number(rest, 32, 2));
    if (rest.size() - kCentralBytes < name + extra + comment)
      fail("file {} of {} is cut off in the zip archive's directory", i + 1, d.entries);
    ZipEntry entry;
    entry.name = std::string(rest.substr(kCentralBytes, name));
    entry.method = static_cast<std::uint16_t>(number(rest, 10, 2));
    entry.packed_bytes = number(rest, 20, 4);
    entry.bytes = number(rest, 24, 4);
    entry.header = number(rest, 42, 4);
    read_extra(rest.substr(kCentralBytes + name, extra), entry);
    entries.push_back(std::move(entry));
    rest.remove_prefix(kCentralBytes + name + extra + comment);
  }
  return entries;
}

std::string read_entry(const RandomAccessFile& file, const ZipEntry& entry, std::uint64_t most) {
  const auto name = printable_line(entry.name);
  if (entry.method != 0)
    fail(
        "{}: is compressed (method {}); torch.export.save stores it as it is, so pack it that way "
        "(zip -0)",
        name, entry.method);
  if (entry.bytes != entry.packed_bytes || entry.bytes > most)
    fail("{}: {} bytes; at most {} are read", name, entry.bytes, most);
  const auto local = piece(file, entry.header, kLocalBytes);
  if (!local.starts_with(kLocal)) fail("{}: does not begin where the zip archive says", name);
  const auto skip = kLocalBytes + number(local, 26, 2) + number(local, 28, 2);
  return piece(file, (Count(entry.header) + skip).value(), entry.bytes);
}

}  // namespace vitals::torch
