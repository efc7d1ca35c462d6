#include "frontends/checkpoint/safetensors.h"

#include "core/file.h"
#include "core/text.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

namespace vitals {
namespace {

using nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;)
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Names end up on terminals and in reports.
void refuse_control_characters(const std::string& text) {
  if (!is_printable_line(text)) fail("the name '{}' holds a control character", text);
}

// Takes the parser's events in the one order that the format knows:
//   {"__metadata__": {key: text, ...}, NAME: {"dtype": text, "shape": [n, ...],
//    "data_offsets": [begin, end]}, ...}
// Whatever comes elsewhere is a fault at once, so nothing grows or nests that the format has not.
class HeaderReader {
 public:
  HeaderReader(Checkpoint& checkpoint, std::size_t max_tensors)
      : checkpoint_(checkpoint), max_tensors_(max_tensors) {}

  [[nodiscard]] std::string where() const {
    if (at_ == At::tensor || at_ == At::list) return fmt::format("tensor '{}': ", tensor_.name);
    return at_ == At::metadata ? "__metadata__: " : "";
  }

  bool start_object(std::size_t /*unused*/) {
    switch (at_) {
      case At::outside:
        at_ = At::top;
        return true;
      case At::top:
        at_ = key_ == "__metadata__" ? At::metadata : At::tensor;
        return begin();
      case At::metadata:
      case At::tensor:
      case At::list:
        break;
    }
    unexpected("an object");
  }

  bool end_object() {
    if (at_ == At::tensor) finish_tensor();
    at_ = at_ == At::top ? At::outside : At::top;
    return true;
  }

  bool start_array(std::size_t /*unused*/) {
    if (at_ != At::tensor || (key_ != "shape" && key_ != "data_offsets")) unexpected("a list");
    at_ = At::list;
    return true;
  }

  bool end_array() {
    at_ = At::tensor;
    return true;
  }

  bool key(std::string& name) {
    if (at_ == At::top) refuse_control_characters(name);
    if (at_ == At::tensor) mark(name);
    if (at_ == At::metadata && checkpoint_.metadata.contains(name))
      fail("the key '{}' stands twice", name);
    if (at_ == At::metadata) checkpoint_.metadata[name];
    key_ = std::move(name);
    return true;
  }

  bool string(std::string& text) {
    if (at_ == At::metadata) {
      checkpoint_.metadata[key_] = std::move(text);
      return true;
    }
    if (at_ != At::tensor || key_ != "dtype") unexpected("a string");
    tensor_.type = find_element_type(text);
    if (tensor_.type != nullptr) return true;
    std::vector<std::string_view> known;
    for (const auto& t : element_types()) known.push_back(t.name);
    fail("unknown dtype '{}'; the format has {}", text.substr(0, 40), fmt::join(known, ", "));
  }

  bool number_unsigned(std::uint64_t n) {
    if (at_ != At::list) unexpected("a number");
    (key_ == "shape" ? tensor_.shape : offsets_).push_back(n);
    return true;
  }

  bool number_integer(std::int64_t n) { fail("/{}: {} is negative", key_, n); }
  bool number_float(double n, const std::string& /*unused*/) {
    fail("/{}: {} is no whole number of 64 bits", key_, n);
  }
  bool null() { unexpected("null"); }
  bool boolean(bool value) { unexpected(value ? "true" : "false"); }
  bool binary(json::binary_t& /*unused*/) { unexpected("binary data"); }

  bool parse_error(std::size_t byte, const std::string& /*unused*/, const json::exception& error) {
    error_byte = byte;
    error_text = error.what();
    return false;
  }

  std::size_t error_byte = 0;
  std::string error_text;

 private:
  enum class At { outside, top, metadata, tensor, list };
  static constexpr std::array<std::string_view, 3> kKeys = {"dtype", "shape", "data_offsets"};

  [[noreturn]] void unexpected(std::string_view what) const {
    switch (at_) {
      case At::outside:
        break;  // a header begins with '{'
      case At::top:
        fail("'{}': expected an object, got {}", key_, what);
      case At::metadata:
        fail("/{}: expected a string, got {}", key_, what);
      case At::tensor:
        fail("/{}: expected a {}, got {}", key_, key_ == "dtype" ? "string" : "list of numbers",
             what);
      case At::list:
        fail("/{}: expected whole numbers, got {}", key_, what);
    }
    fail("{}: unexpected", what);
  }

  // Of the object that has just been opened.
  bool begin() {
    if (at_ == At::metadata) {
      if (metadata_seen_) fail("stands twice");
      metadata_seen_ = true;
      return true;
    }
    tensor_ = {};
    tensor_.name = key_;
    offsets_.clear();
    seen_ = {};
    return true;
  }

  void mark(const std::string& name) {
    const auto it = std::find(kKeys.begin(), kKeys.end(), name);
    if (it == kKeys.end())
      fail("unknown key '{}'; a tensor has dtype, shape and data_offsets", name.substr(0, 40));
    if (std::exchange(seen_[static_cast<std::size_t>(it - kKeys.begin())], true))
      fail("the key '{}' stands twice", name);
  }

  void finish_tensor() {
    for (std::size_t i = 0; i < kKeys.size(); ++i)
      if (!seen_[i]) fail("missing '{}'", kKeys[i]);
    if (offsets_.size() != 2)
      fail("/data_offsets: expected [begin, end], got {} numbers", offsets_.size());
    if (checkpoint_.tensors.size() >= max_tensors_) fail("more than {} tensors", max_tensors_);
    tensor_.begin = offsets_[0];
    tensor_.end = offsets_[1];
    checkpoint_.tensors.push_back(std::move(tensor_));
  }

  Checkpoint& checkpoint_;
  std::size_t max_tensors_;
  At at_ = At::outside;
  std::string key_;
  StoredTensor tensor_;
  std::vector<std::uint64_t> offsets_;
  std::array<bool, kKeys.size()> seen_{};
  bool metadata_seen_ = false;
};

void parse_tensors(std::string_view header, const std::string& source, Checkpoint& checkpoint,
                   std::size_t max_tensors) {
  if (header.empty() || header.front() != '{')
    fail("{}: the header does not begin with '{{'; this is no safetensors file", source);
  // The parser takes a zero byte for the end of its text.
  if (const auto zero = header.find('\0'); zero != std::string_view::npos)
    fail("{}: header: byte {} is zero; headers are padded with blanks", source, zero);
  HeaderReader reader(checkpoint, max_tensors);
  try {
    if (json::sax_parse(header, &reader)) return;
  } catch (const Error& error) {
    fail("{}: header: {}{}", source, reader.where(), error.what());
  }
  fail_not_json(header, source + ": header", reader.error_byte, reader.error_text);
}

// What the shape and the type ask for must be what the offsets give.
void check_size(const StoredTensor& tensor, std::uint64_t data_bytes) {
  if (tensor.end < tensor.begin)
    fail("data_offsets [{}, {}] end before they begin", tensor.begin, tensor.end);
  if (tensor.end > data_bytes)
    fail(
        "data_offsets [{}, {}] reach beyond the {} bytes of data in the file; it is cut off or "
        "its header is wrong",
        tensor.begin, tensor.end, data_bytes);
  const auto bits = tensor.elements() * tensor.type->bits;
  if (bits.value() % 8 != 0)
    fail("{} elements of {} do not fill whole bytes", tensor.elements(), tensor.type->name);
  if (bits / 8 != tensor.bytes())
    fail("shape [{}] of {} needs {} bytes, but data_offsets [{}, {}] give {}",
         fmt::join(tensor.shape, ", "), tensor.type->name, bits / 8, tensor.begin, tensor.end,
         tensor.bytes());
}

// The tensors in the order of their bytes must follow each other from the first byte to the last.
void check_coverage(const std::vector<StoredTensor>& tensors, std::uint64_t data_bytes) {
  std::vector<const StoredTensor*> order;
  order.reserve(tensors.size());
  for (const auto& t : tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t reached = 0;
  const StoredTensor* last = nullptr;
  for (const auto* t : order) {
    if (t->begin < reached)
      fail("the tensors '{}' [{}, {}] and '{}' [{}, {}] overlap", last->name, last->begin,
           last->end, t->name, t->begin, t->end);
    if (t->begin > reached)
      fail("the {} bytes of data before tensor '{}', at [{}, {}], belong to no tensor",
           t->begin - reached, t->name, reached, t->begin);
    reached = t->end;
    last = t;
  }
  if (reached != data_bytes)
    fail("the last {} bytes of the file belong to no tensor", data_bytes - reached);
}

// A tensor that shares its storage is stored once; its other names are noted in the metadata, each
// with the name that it is stored under.
void take_shared(Checkpoint& checkpoint) {
  for (const auto& [name, stored] : checkpoint.metadata)
    if (checkpoint.find(name) == nullptr && checkpoint.find(stored) != nullptr)
      checkpoint.shared.emplace(name, stored);
}

void check_and_place(Checkpoint& checkpoint, std::uint64_t data_begin, std::uint64_t data_bytes) {
  for (const auto& tensor : checkpoint.tensors) {
    try {
      check_size(tensor, data_bytes);
    } catch (const Error& error) {
      throw error.within("tensor '" + tensor.name + "'");
    }
  }
  check_coverage(checkpoint.tensors, data_bytes);
  for (auto& tensor : checkpoint.tensors) {
    tensor.begin += data_begin;
    tensor.end += data_begin;
  }
}

}  // namespace

Checkpoint parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                    const std::string& source, std::size_t max_tensors) {
  Checkpoint checkpoint;
  checkpoint.path = source;
  checkpoint.name = std::filesystem::path(source).filename().string();
  const auto data_begin = kLengthBytes + header.size();
  checkpoint.files.push_back({source, data_begin + data_bytes, data_begin});
  parse_tensors(header, source, checkpoint, max_tensors);
  try {
    check_and_place(checkpoint, data_begin, data_bytes);
  } catch (const Error& error) {
    throw error.within(source);
  }
  sort_tensors(checkpoint);
  take_shared(checkpoint);
  return checkpoint;
}

bool begins_like_safetensors(std::string_view first_bytes) {
  return first_bytes.size() > kLengthBytes && first_bytes[kLengthBytes] == '{' &&
         little_endian(first_bytes) <= kMaxSafetensorsHeader;
}

bool looks_like_safetensors(std::string_view first_bytes, std::uint64_t file_bytes) {
  return begins_like_safetensors(first_bytes) &&
         little_endian(first_bytes) <= file_bytes - kLengthBytes;
}

Checkpoint read_safetensors(const std::string& path) {
  const RandomAccessFile file(path);
  if (file.size() < kLengthBytes)
    fail("{}: {} bytes are too few for a safetensors file", path, file.size());
  const auto length = little_endian(file.head(kLengthBytes));
  if (length > file.size() - kLengthBytes)
    fail(
        "{}: the header's length is given as {} bytes, but only {} follow; the file is cut off, "
        "or no safetensors file",
        path, length, file.size() - kLengthBytes);
  if (length > kMaxSafetensorsHeader)
    fail("{}: the header's length is given as {} bytes; the format allows {}", path, length,
         kMaxSafetensorsHeader);
  std::string header(static_cast<std::size_t>(length), '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(header)));
  return parse_safetensors_header(header, file.size() - kLengthBytes - length, path);
}

}  // namespace vitals
