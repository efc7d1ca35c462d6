#include "frontends/gguf/gguf.h"

#include "core/bit_cast.h"
#include "core/file.h"
#include "core/text.h"
#include "frontends/checkpoint/safetensors.h"
#include "frontends/gguf/cursor.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace vitals {
namespace {

// std::has_single_bit, which libc++ 14 lacks.
bool is_power_of_two(std::uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

using nlohmann::json;

constexpr std::string_view kGgufMagic = "GGUF";
constexpr std::uint64_t kMaxGgufKeys = 1'000'000;
constexpr std::uint64_t kMaxKeyBytes = 65535;  // the specification's limit
constexpr std::uint64_t kMaxNameBytes = 1024;  // ggml's own is 64
constexpr std::uint32_t kMaxGgufDims = 4;      // GGML_MAX_DIMS
constexpr int kMaxNesting = 4;                 // of lists in lists, which no known writer makes

// enum gguf_type
enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};

// Bytes of a value of fixed size; 0 for the others.
std::uint64_t value_size(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32:
      return 4;
    case ValueType::u64:
    case ValueType::i64:
    case ValueType::f64:
      return 8;
    case ValueType::string:
    case ValueType::array:
      return 0;
  }
  return 0;
}

ValueType read_type(GgufCursor& in) {
  const auto number = in.number<std::uint32_t>();
  if (number > static_cast<std::uint32_t>(ValueType::f64))
    fail("unknown type {} of a value; the format has 0 to {}", number,
         static_cast<std::uint32_t>(ValueType::f64));
  return static_cast<ValueType>(number);
}

// The shortest number that is this float: 1e-05, not 9.99999974e-06.
double shortest(float value) {
  return std::isfinite(value) ? std::stod(fmt::format("{}", value)) : static_cast<double>(value);
}

json read_scalar(GgufCursor& in, ValueType type) {
  switch (type) {
    case ValueType::u8:
      return in.number<std::uint8_t>();
    case ValueType::i8:
      return in.number<std::int8_t>();
    case ValueType::u16:
      return in.number<std::uint16_t>();
    case ValueType::i16:
      return in.number<std::int16_t>();
    case ValueType::u32:
      return in.number<std::uint32_t>();
    case ValueType::i32:
      return in.number<std::int32_t>();
    case ValueType::u64:
      return in.number<std::uint64_t>();
    case ValueType::i64:
      return in.number<std::int64_t>();
    case ValueType::f32:
      return shortest(bit_cast<float>(in.number<std::uint32_t>()));
    case ValueType::f64:
      return bit_cast<double>(in.number<std::uint64_t>());
    case ValueType::boolean: {
      const auto value = in.number<std::uint8_t>();
      if (value > 1) fail("expected a truth value, 0 or 1, got {}", value);
      return value == 1;
    }
    case ValueType::string:
      return in.string();
    case ValueType::array:
      break;
  }
  return nullptr;
}

json read_array(GgufCursor& in, int depth) {
  if (depth > kMaxNesting) fail("lists are nested more than {} deep", kMaxNesting);
  const auto type = read_type(in);
  const auto length = in.number<std::uint64_t>();
  const auto least = std::max<std::uint64_t>(value_size(type), type == ValueType::array ? 12 : 1);
  if (length > in.left() / (type == ValueType::string ? 8 : least))
    fail("a list of {} elements does not fit into the {} bytes that follow", length, in.left());
  if (length > kMaxGgufList && type != ValueType::array) {
    if (type == ValueType::string)
      for (std::uint64_t i = 0; i < length; ++i) in.skip_string();
    else
      in.skip(length * value_size(type));
    return {{"length", length}};
  }
  auto list = json::array();
  for (std::uint64_t i = 0; i < length; ++i)
    list.push_back(type == ValueType::array ? read_array(in, depth + 1) : read_scalar(in, type));
  return list;
}

std::string read_name(GgufCursor& in, std::uint64_t most) {
  auto name = in.string(most);
  if (name.empty()) fail("a name is empty");
  if (!is_printable_line(name)) fail("the name '{}' is not printable UTF-8", name);
  return name;
}

json read_metadata(GgufCursor& in, std::uint64_t count) {
  auto metadata = json::object();
  for (std::uint64_t i = 0; i < count; ++i) {
    in.at(fmt::format("key {} of {}", i + 1, count));
    const auto key = read_name(in, kMaxKeyBytes);
    in.at(fmt::format("key '{}'", printable_line(key)));
    if (metadata.contains(key)) fail("stands twice");
    const auto type = read_type(in);
    metadata[key] = type == ValueType::array ? read_array(in, 1) : read_scalar(in, type);
  }
  return metadata;
}

std::uint64_t alignment_of(const json& metadata) {
  const auto it = metadata.find("general.alignment");
  if (it == metadata.end()) return 32;
  if (!it->is_number_unsigned())
    fail("key 'general.alignment': expected a count, got {}", it->dump());
  const auto alignment = it->get<std::uint64_t>();
  if (!is_power_of_two(alignment))
    fail("key 'general.alignment': {} is not a power of two", alignment);
  return alignment;
}

StoredTensor read_tensor(GgufCursor& in) {
  StoredTensor tensor;
  tensor.name = read_name(in, kMaxNameBytes);
  in.at(fmt::format("tensor '{}'", tensor.name));
  const auto dims = in.number<std::uint32_t>();
  if (dims > kMaxGgufDims) fail("{} dimensions; the format has at most {}", dims, kMaxGgufDims);
  for (std::uint32_t i = 0; i < dims; ++i) tensor.shape.push_back(in.number<std::uint64_t>());
  const auto row = tensor.shape.empty() ? 1 : tensor.shape.front();
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  const auto id = in.number<std::uint32_t>();
  tensor.type = ggml_type(id);
  if (tensor.type == nullptr) fail("unknown ggml type {}", id);
  if (row % tensor.type->block != 0)
    fail("rows of {} elements are not divided by the blocks of {} of type {}", row,
         tensor.type->block, tensor.type->name);
  const auto elements = tensor.elements();
  tensor.begin = in.number<std::uint64_t>();
  tensor.end =
      (Count(tensor.begin) + elements / tensor.type->block * (tensor.type->bits / 8)).value();
  return tensor;
}

std::uint64_t padded(std::uint64_t size, std::uint64_t alignment) {
  return ((Count(size) + (alignment - 1)) / alignment * alignment).value();
}

// Tensors follow each other in the order of the list, each at the next multiple of the alignment.
std::vector<StoredTensor> read_tensors(GgufCursor& in, std::uint64_t count,
                                       std::uint64_t alignment) {
  std::vector<StoredTensor> tensors;
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    in.at(fmt::format("tensor {} of {}", i + 1, count));
    auto tensor = read_tensor(in);
    if (tensor.begin % alignment != 0)
      fail("begins at byte {} of the data, which is no multiple of the alignment {}", tensor.begin,
           alignment);
    if (tensor.begin != next)
      fail("begins at byte {} of the data, where the tensors before it end at {}", tensor.begin,
           next);
    next = padded(tensor.end, alignment);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

struct Counts {
  std::uint64_t tensors = 0;
  std::uint64_t keys = 0;
};

void check_magic(const RandomAccessFile& file) {
  const auto magic = file.head(kGgufMagic.size());
  if (magic == kGgufMagic) return;
  if (file.size() < kGgufMagic.size()) fail("{} bytes are too few for a GGUF file", file.size());
  fail("does not begin with \"GGUF\" but with \"{}\"; this is no GGUF file", magic);
}

// The smallest entries: a name of one byte, its type and one byte; a name, its dimensions, type and
// offset.
constexpr std::uint64_t kLeastKey = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensor = 8 + 1 + 4 + 4 + 8;

Counts read_counts(GgufCursor& in, std::uint32_t& version) {
  version = in.number<std::uint32_t>();
  if (version != 0 && version % 0x10000 == 0)
    fail(
        "is big-endian, made for processors like s390x; convert it with gguf_convert_endian.py "
        "FILE "
        "little");
  if (version == 1)
    fail(
        "has version 1 of the format, which llama.cpp does not read either; convert the model "
        "again");
  if (version != 2 && version != 3)
    fail("has version {} of the format; vitals reads versions 2 and 3", version);
  Counts counts;
  counts.tensors = in.number<std::uint64_t>();
  counts.keys = in.number<std::uint64_t>();
  if (counts.tensors > kMaxTensors || counts.tensors > in.left() / kLeastTensor)
    fail("{} tensors are said to be listed, in {} bytes that follow", counts.tensors, in.left());
  if (counts.keys > kMaxGgufKeys || counts.keys > in.left() / kLeastKey)
    fail("{} keys are said to follow, in {} bytes", counts.keys, in.left());
  return counts;
}

// Places the tensors in the file, and compares their end with its own.
void place(GgufFile& gguf, std::uint64_t header_end, std::uint64_t file_bytes) {
  auto& c = gguf.checkpoint;
  const auto data = c.tensors.empty() ? header_end : padded(header_end, gguf.alignment);
  std::uint64_t end = data;
  for (auto& tensor : c.tensors) {
    tensor.begin = (Count(tensor.begin) + data).value();
    tensor.end = (Count(tensor.end) + data).value();
    if (tensor.end > file_bytes)
      fail(
          "tensor '{}' reaches to byte {}, beyond the {} bytes of the file; it is cut off or its "
          "header is wrong",
          tensor.name, tensor.end, file_bytes);
    end = tensor.end;
  }
  c.files.front().header_bytes = std::min(data, file_bytes);
  if (const auto last = padded(end, gguf.alignment); file_bytes > last)
    c.remarks.push_back(
        fmt::format("{} bytes after the last tensor belong to none", file_bytes - last));
}

// What people read of the metadata: scalars as text.
void note_metadata(GgufFile& gguf) {
  for (const auto& [key, value] : gguf.metadata->items()) {
    if (value.is_array() || value.is_object()) continue;
    gguf.checkpoint.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
}

GgufFile read_one(const std::string& path) {
  const RandomAccessFile file(path);
  GgufFile gguf;
  gguf.checkpoint.path = path;
  gguf.checkpoint.name = std::filesystem::path(path).filename().string();
  gguf.checkpoint.files.push_back({path, file.size(), 0});
  GgufCursor in(file, kGgufMagic.size());
  try {
    check_magic(file);
    in.at("header");
    const auto counts = read_counts(in, gguf.version);
    auto metadata = read_metadata(in, counts.keys);
    gguf.alignment = alignment_of(metadata);
    gguf.metadata = std::make_shared<const json>(std::move(metadata));
    gguf.checkpoint.tensors = read_tensors(in, counts.tensors, gguf.alignment);
    in.at("");
    place(gguf, in.offset(), file.size());
  } catch (const Error& error) {
    const auto where = in.where();
    throw error.within(where.empty() ? path : fmt::format("{}: {}", path, where));
  }
  note_metadata(gguf);
  return gguf;
}

// "model-00002-of-00005.gguf": llama_split_path's "%s-%05d-of-%05d.gguf".
struct PartName {
  std::string base;
  std::uint64_t number = 0;
  std::uint64_t count = 0;
};

std::optional<std::uint64_t> five_digits(std::string_view text) {
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = 10 * number + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

std::optional<PartName> part_name(const std::string& path) {
  constexpr std::string_view kEnd = "-00001-of-00002.gguf";
  if (path.size() <= kEnd.size()) return std::nullopt;
  const auto end = std::string_view(path).substr(path.size() - kEnd.size());
  const auto number = five_digits(end.substr(1, 5));
  const auto count = five_digits(end.substr(10, 5));
  const bool fits = end[0] == '-' && end.substr(6, 4) == "-of-" && end.substr(15) == ".gguf";
  if (!fits || !number || !count || *number < 1 || *number > *count) return std::nullopt;
  return PartName{path.substr(0, path.size() - kEnd.size()), *number, *count};
}

std::uint64_t split_value(const GgufFile& gguf, const char* key, std::uint64_t absent) {
  const auto it = gguf.metadata->find(key);
  if (it == gguf.metadata->end()) return absent;
  if (!it->is_number_integer() || it->get<std::int64_t>() < 0)
    fail("{}: key '{}': expected a count, got {}", gguf.checkpoint.path, key, it->dump());
  return it->get<std::uint64_t>();
}

void append(GgufFile& all, GgufFile part) {
  auto& c = all.checkpoint;
  const auto file = static_cast<std::uint32_t>(c.files.size());
  c.files.push_back(std::move(part.checkpoint.files.front()));
  for (auto& tensor : part.checkpoint.tensors) {
    tensor.file = file;
    c.tensors.push_back(std::move(tensor));
  }
  for (auto& remark : part.checkpoint.remarks) c.remarks.push_back(std::move(remark));
}

GgufFile read_parts(const std::string& path, const std::vector<std::string>& paths) {
  std::optional<GgufFile> all;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::error_code code;
    if (!std::filesystem::exists(paths[i], code))
      fail("{}: its part {} is missing ({} of {} parts); fetch all of them", path, paths[i], i + 1,
           paths.size());
    auto part = read_one(paths[i]);
    const auto count = split_value(part, "split.count", 1);
    const auto number = split_value(part, "split.no", i);
    if (count != paths.size() || number != i)
      fail(
          "{}: is part {} of {} by its name, and part {} of {} by its keys split.no and "
          "split.count",
          paths[i], i + 1, paths.size(), Count(number) + 1, count);
    if (all)
      append(*all, std::move(part));
    else
      all = std::move(part);
  }
  const auto found = all->checkpoint.tensors.size();
  if (const auto stated = split_value(*all, "split.tensors.count", found); stated != found)
    fail("{}: the parts hold {} tensors, and split.tensors.count states {}", path, found, stated);
  return std::move(*all);
}

}  // namespace

bool begins_like_gguf(std::string_view first_bytes) { return first_bytes.starts_with(kGgufMagic); }

bool is_gguf(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code)) return false;
  return path.ends_with(".gguf") ||
         begins_like_gguf(RandomAccessFile(path).head(kGgufMagic.size()));
}

std::vector<std::string> files_of_gguf(const std::string& path) {
  const auto name = part_name(path);
  if (!name || name->count == 1) return {path};
  std::vector<std::string> paths;
  for (std::uint64_t i = 1; i <= name->count; ++i)
    paths.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", name->base, i, name->count));
  return paths;
}

GgufFile read_gguf(const std::string& path) {
  const auto paths = files_of_gguf(path);
  auto gguf = paths.size() > 1 ? read_parts(path, paths) : read_one(path);
  if (paths.size() == 1)
    if (const auto count = split_value(gguf, "split.count", 1); count > 1)
      fail(
          "{}: is one of {} parts of a checkpoint; name it as llama.cpp does, "
          "NAME-00001-of-{:05}.gguf, with the others beside it",
          path, count, count);
  sort_tensors(gguf.checkpoint);
  return gguf;
}

}  // namespace vitals
