// Matrix products: MatMul, Gemm, Einsum and their quantised kin, with their multiply-accumulates.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace vitals::onnx {
namespace {

Count count_of(std::int64_t d) { return static_cast<std::uint64_t>(d); }

// numpy.matmul: vectors count as matrices of one row or column, which is dropped again.
Inferred matrix_product(Extents a, Extents b, DataType type) {
  if (a.empty() || b.empty()) fail("a scalar cannot be multiplied as a matrix");
  const bool row = a.size() == 1;
  const bool column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  const auto k = a.back();
  if (k != b[b.size() - 2]) fail("shapes {} and {} do not fit", to_string(a), to_string(b));
  const auto m = a[a.size() - 2];
  const auto n = b.back();
  Extents to = broadcast(Extents(a.begin(), a.end() - 2), Extents(b.begin(), b.end() - 2));
  const auto macs = numel(to) * count_of(m) * count_of(k) * count_of(n);
  if (!row) to.push_back(m);
  if (!column) to.push_back(n);
  auto r = one(tensor(type, std::move(to)));
  r.macs = macs;
  return r;
}

Inferred matmul(const OpContext& c) { return matrix_product(c.dims(0), c.dims(1), c.type(0)); }

Inferred matmul_integer(const OpContext& c) {
  return matrix_product(c.dims(0), c.dims(1), DataType::int32);
}

// A, its scale and zero point, B, its scale and zero point, those of Y.
Inferred qlinear_matmul(const OpContext& c) {
  return matrix_product(c.dims(0), c.dims(3), c.has(7) ? c.type(7) : c.type(0));
}

Inferred gemm(const OpContext& c) {
  auto matrix = [&](std::size_t i, const char* transposed) {
    Extents m = c.dims(i);
    if (m.size() != 2) fail("input {} is not a matrix: {}", i, to_string(m));
    if (c.integer(transposed, 0) != 0) std::swap(m[0], m[1]);
    return m;
  };
  return matrix_product(matrix(0, "transA"), matrix(1, "transB"), c.type(0));
}

// One operand of an equation: a letter each dimension; an ellipsis as capital letters, which the
// equation itself cannot hold (they are made unique by their distance from the end).
struct Operand {
  std::vector<int> letters;
  Extents dims;
};

constexpr int kEllipsis = 1000;

std::vector<int> letters_of(std::string_view term, std::size_t rank) {
  std::vector<int> letters;
  std::size_t named = 0;
  for (const char ch : term)
    if (ch != '.') ++named;
  const bool dots = term.find("...") != std::string_view::npos;
  if (named > rank || (!dots && named != rank))
    fail("the term '{}' of the equation does not fit {} dimensions", term, rank);
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (term[i] != '.') {
      letters.push_back(term[i]);
      continue;
    }
    if (term.substr(i, 3) != "...") fail("the term '{}' of the equation is malformed", term);
    const auto more = rank - named;
    for (std::size_t k = 0; k < more; ++k)
      letters.push_back(kEllipsis + static_cast<int>(more - k));
    i += 2;
  }
  return letters;
}

using Sizes = std::map<int, std::int64_t>;

void learn_sizes(const Operand& operand, Sizes& sizes) {
  for (std::size_t i = 0; i < operand.letters.size(); ++i) {
    auto [it, added] = sizes.emplace(operand.letters[i], operand.dims[i]);
    if (added || it->second == operand.dims[i] || operand.dims[i] == 1) continue;
    if (it->second != 1)
      fail("a letter of the equation stands for {} and for {}", it->second, operand.dims[i]);
    it->second = operand.dims[i];
  }
}

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char ch : text)
    if (ch != ' ') out.push_back(ch);
  return out;
}

std::vector<std::string_view> terms_of(std::string_view text) {
  std::vector<std::string_view> terms;
  while (true) {
    const auto comma = text.find(',');
    terms.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return terms;
    text.remove_prefix(comma + 1);
  }
}

// Without "->", the letters that occur once, in the order of the alphabet, after the ellipsis.
std::vector<int> implied_output(const std::vector<Operand>& operands) {
  std::map<int, int> seen;
  for (const auto& o : operands)
    for (const auto l : o.letters) ++seen[l];
  std::vector<int> out;
  for (auto it = seen.rbegin(); it != seen.rend(); ++it)
    if (it->first > kEllipsis) out.push_back(it->first);
  for (const auto& [letter, times] : seen)
    if (letter < kEllipsis && times == 1) out.push_back(letter);
  return out;
}

// Operands are multiplied from left to right, as torch.einsum does without opt_einsum: a letter
// that nothing to the right and no output needs is summed away. A pair that shares no summed letter
// is an elementwise product and costs no multiply-accumulate of a matrix product.
Count einsum_macs(const std::vector<Operand>& operands, const std::vector<int>& out,
                  const Sizes& sizes) {
  Count macs;
  std::set<int> left(operands[0].letters.begin(), operands[0].letters.end());
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const std::set<int> right(operands[i].letters.begin(), operands[i].letters.end());
    std::set<int> needed(out.begin(), out.end());
    for (std::size_t k = i + 1; k < operands.size(); ++k)
      needed.insert(operands[k].letters.begin(), operands[k].letters.end());
    std::set<int> all = left;
    all.insert(right.begin(), right.end());
    Count product = 1;
    std::set<int> kept;
    for (const auto l : all) {
      const bool summed = needed.count(l) == 0;
      // What one side alone sums is added up before the product.
      if (summed && (left.count(l) == 0 || right.count(l) == 0)) continue;
      product *= count_of(sizes.at(l));
      if (!summed) kept.insert(l);
    }
    macs += product;
    left = kept;
  }
  return macs;
}

Inferred einsum(const OpContext& c) {
  const auto equation = without_blanks(c.text("equation", ""));
  const auto arrow = equation.find("->");
  const auto terms = terms_of(std::string_view(equation).substr(0, arrow));
  if (terms.size() != c.count())
    fail("the equation '{}' has {} terms for {} inputs", equation, terms.size(), c.count());
  std::vector<Operand> operands;
  Sizes sizes;
  std::size_t dots = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    operands.push_back({letters_of(terms[i], c.rank(i)), c.dims(i)});
    learn_sizes(operands.back(), sizes);
    for (const auto l : operands.back().letters)
      if (l > kEllipsis) dots = std::max(dots, static_cast<std::size_t>(l - kEllipsis));
  }
  std::vector<int> out;
  if (arrow == std::string::npos) {
    out = implied_output(operands);
  } else {
    const auto term = std::string_view(equation).substr(arrow + 2);
    std::size_t rank = term.find("...") == std::string_view::npos ? 0 : dots;
    for (const char ch : term)
      if (ch != '.') ++rank;
    out = letters_of(term, rank);
  }
  Extents to;
  for (const auto l : out) {
    const auto found = sizes.find(l);
    if (found == sizes.end()) fail("the output of '{}' has a letter of no input", equation);
    to.push_back(found->second);
  }
  auto r = one(tensor(c.type(0), std::move(to)));
  if (operands.size() > 1) r.macs = einsum_macs(operands, out, sizes);
  return r;
}

Inferred det(const OpContext& c) {
  const auto& x = c.dims(0);
  if (x.size() < 2) fail("the input {} is no matrix", to_string(x));
  return one(tensor(c.type(0), Extents(x.begin(), x.end() - 2)));
}

// Attention of opset 23: Q, K, V as [batch, heads, tokens, width] or [batch, tokens, heads*width].
Inferred attention(const OpContext& c) {
  const auto& q = c.dims(0);
  const auto& k = c.dims(1);
  const auto& v = c.dims(2);
  if (q.size() != k.size() || q.size() != v.size() || (q.size() != 3 && q.size() != 4))
    fail("shapes {}, {} and {} do not fit", to_string(q), to_string(k), to_string(v));
  const bool split = q.size() == 4;
  const auto heads = split ? q[1] : c.integer("q_num_heads", 0);
  const auto kv_heads = split ? k[1] : c.integer("kv_num_heads", 0);
  if (heads < 1 || kv_heads < 1) fail("the number of heads is missing");
  const auto tokens = split ? q[2] : q[1];
  const auto width = split ? q[3] : q[2] / heads;
  const auto value_width = split ? v[3] : v[2] / kv_heads;
  const auto past = c.has(4) ? c.dims(4).at(2) : 0;
  const auto all = (split ? k[2] : k[1]) + past;
  Inferred r = one(tensor(c.type(0), split ? Extents{q[0], heads, tokens, value_width}
                                           : Extents{q[0], tokens, heads * value_width}));
  r.outputs.push_back(tensor(c.type(1), {q[0], kv_heads, all, width}));
  r.outputs.push_back(tensor(c.type(2), {q[0], kv_heads, all, value_width}));
  r.outputs.push_back(tensor(c.type(0), {q[0], heads, tokens, all}));
  const auto scores = count_of(q[0]) * count_of(heads) * count_of(tokens) * count_of(all);
  r.macs = scores * count_of(width) + scores * count_of(value_width);
  return r;
}

Inferred rotary(const OpContext& c) { return same_as(c); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"Attention", attention},
    {"Det", det},
    {"Einsum", einsum},
    {"Gemm", gemm},
    {"MatMul", matmul},
    {"MatMulInteger", matmul_integer},
    {"QLinearMatMul", qlinear_matmul},
    {"RotaryEmbedding", rotary},
});

}  // namespace

RuleTable product_rules() { return kRules; }

}  // namespace vitals::onnx
