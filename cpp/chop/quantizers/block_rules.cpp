#include "chop/quantizers/block_rules.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "chop/kernels/number_kernels.h"

namespace chop::quantizers {
namespace {

constexpr int kSubnormal = 1;  // the one row whose numbers have different exponents

bool is_float(double v) { return static_cast<double>(static_cast<float>(v)) == v; }

// Exponents and room for a fraction within those of float.
bool is_narrow(const NumberRule& rule) {
  constexpr double kLeast = 0x1p-126, kMost = 0x1p127, kWholes = 0x1p21;
  switch (rule.kind) {
    case RuleKind::significant: {
      const double top = std::ldexp(1.0, 101 + rule.bits);
      return rule.bits >= 1 && rule.bits <= 21 && rule.lowest >= kLeast && rule.lowest <= top && rule.largest <= top &&
             is_float(rule.largest);
    }
    case RuleKind::power_of_two: return rule.lowest >= kLeast && rule.largest <= kMost;
    case RuleKind::steps:
      return rule.step >= kLeast && rule.step <= kMost && rule.inverse >= kLeast && rule.inverse <= kMost &&
             std::fabs(rule.low) <= kWholes && std::fabs(rule.high) <= kWholes;
    case RuleKind::scaled: return false;
    case RuleKind::two_values:
    case RuleKind::three_values: return is_float(rule.threshold);
  }
  return false;
}

}  // namespace

double part_of(const ValueFormat& format, const double* numbers) {
  return format.part_of_largest ? format.part_of_largest(numbers) : 0.0;
}

bool is_far(const NumberRule& rule) {
  constexpr double kTop = 0x1p960, kBottom = 0x1p-960;
  if (rule.kind == RuleKind::significant) return rule.largest > kTop || rule.lowest < kBottom;
  return rule.kind == RuleKind::power_of_two && rule.lowest < kBottom;
}

NumberRule float_rule_of(const ValueFormat& format, const double* numbers, const BlockFacts& facts,
                         const RealType& type) {
  NumberRule rule = format.rule(numbers, facts, type);
  // No float lies between a threshold and the next float.
  if (rule.kind == RuleKind::three_values && !is_float(rule.threshold)) {
    const auto near = static_cast<float>(rule.threshold);
    rule.threshold = near > rule.threshold ? std::nextafterf(near, -std::numeric_limits<float>::infinity()) : near;
  }
  rule.narrow = is_narrow(rule);
  return rule;
}

void ManyBlocks::clear(int count) {
  std::fill_n(most, count, 0.0f);
  std::fill_n(low, count, 0.0f);
  std::fill_n(high, count, 0.0f);
}

BlockRules::BlockRules(const ValueFormat& format, const double* numbers, const RealType& type)
    : format_(format), numbers_(numbers), type_(type), part_(part_of(format, numbers)) {
  if ((format.needs & kExponent) != kExponent) return;
  const auto add = [&](double largest) {
    BlockFacts facts;
    facts.largest = largest;
    by_exponent_.push_back(float_rule_of(format, numbers, facts, type));
  };
  add(0.0);
  add(0x1p-149);  // not read
  for (int exponent = -126; exponent <= 127; ++exponent)
    for (const double fraction : {1.0, 1.5}) add(std::ldexp(fraction, exponent));
  add(std::numeric_limits<double>::infinity());
}

bool BlockRules::find(int count, ManyBlocks* blocks) const {
  blocks->narrow = true;
  bool computed = true;
  for (int b = 0; b < count; ++b) {
    const int row = ExponentRules::row_of(blocks->most[b]);
    if (!by_exponent_.empty() && row != kSubnormal) {
      blocks->rules[b] = &by_exponent_[static_cast<size_t>(row)];
    } else {
      BlockFacts facts;
      facts.largest = static_cast<double>(blocks->most[b]);
      if (ends()) {
        facts.low = static_cast<double>(blocks->low[b]);
        facts.high = static_cast<double>(blocks->high[b]);
      }
      blocks->made[b] = float_rule_of(format_, numbers_, facts, type_);
      blocks->rules[b] = &blocks->made[b];
    }
    const NumberRule& rule = *blocks->rules[b];
    blocks->narrow = blocks->narrow && rule.narrow;
    computed = computed && rule.kind == blocks->rules[0]->kind && (rule.narrow || !is_far(rule));
  }
  return computed;
}

namespace {

constexpr int64_t kFew = 16;  // blocks that are not worth a table

// Rules of rows of blocks, each made when it is met first.
class RowRules {
 public:
  explicit RowRules(const BoundNumbers& format) : format_(format) {}

  // Quantizes blocks one behind the other; returns how many: those before the first that must go alone.
  int64_t run(const float* x, float* y, int64_t count, int64_t size) {
    using Form = ExponentRules::Form;
    for (int64_t done = 0; done < count;) {
      int row = 0;
      done += kernels_.rows_by_exponent(x + done * size, y + done * size, count - done, size, rules_, form_, &row);
      if (done == count) break;
      if (rules_.form[row] == Form::kUnknown) add(row);
      if (rules_.form[row] == Form::kAlone) return done;
      form_ = rules_.form[row];
    }
    return count;
  }

 private:
  void add(int row) {
    rules_.form[row] = ExponentRules::kAlone;
    if (row == kSubnormal) return;
    BlockFacts facts;
    facts.largest = static_cast<double>(ExponentRules::largest_of(row));
    const NumberRule rule = float_rule_of(*format_.format, format_.numbers, facts, format_.type);
    if (any_ && rule.kind != rules_.kind) return;
    if (!rule.narrow && is_far(rule)) return;
    any_ = true;
    rules_.kind = rule.kind;
    rules_.form[row] = rule.narrow ? ExponentRules::kNarrow : ExponentRules::kWide;
    kernels_.read_rule(rule, row, &rules_);
  }

  const BoundNumbers& format_;
  const NumberBlockKernels& kernels_ = number_block_kernels();
  ExponentRules rules_;
  ExponentRules::Form form_ = ExponentRules::kNarrow;
  bool any_ = false;
};

// Blocks of a row, one behind the other.
void quantize_rows(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last, const float* x,
                   float* y) {
  const double part = part_of(*format.format, format.numbers);
  const NumberBlockKernels& kernels = number_block_kernels();
  RowRules rules(format);
  const int64_t size = layout.block.back();
  const bool whole = layout.size.back() % size == 0;  // rows follow each other without a short block
  const int64_t columns = whole ? layout.elements : layout.size.back(), in_row = (columns + size - 1) / size;
  for (int64_t block = first; block < last;) {
    const int64_t row = block / in_row, place = block % in_row, at = row * columns + place * size;
    const int64_t full = columns / size - place;
    int64_t count = full < 1 ? 1 : std::min(full, last - block);
    const int64_t length = full < 1 ? columns - place * size : size;
    if (part != 0.0) {
      kernels.scale_rows(x + at, y + at, count, length, part);
    } else if (const int64_t done = rules.run(x + at, y + at, count, length); done < count) {
      quantize_singly(format, layout, block + done, block + done + 1, x, y);
      count = done + 1;
    }
    block += count;
  }
}

// Blocks along the last dimension but one.
void quantize_columns(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last,
                      const float* x, float* y) {
  const BlockRules rules(*format.format, format.numbers, format.type);
  const NumberBlockKernels& kernels = number_block_kernels();
  ManyBlocks many;
  const size_t dims = layout.size.size();
  const int64_t places = layout.size[dims - 1], length = layout.size[dims - 2], size = layout.block[dims - 2];
  const int64_t in_group = layout.in_dimension(dims - 2);
  for (int64_t block = first; block < last;) {
    const int64_t place = block % places, part = block / places % in_group, group = block / places / in_group;
    const int64_t at = (group * length + part * size) * places + place;
    const int count = static_cast<int>(std::min({places - place, int64_t{kNumberLanes}, last - block}));
    const int64_t numbers = std::min(size, length - part * size);
    many.clear(count);
    float *low = rules.ends() ? many.low : nullptr, *high = rules.ends() ? many.high : nullptr;
    kernels.look_across(x + at, numbers, places, count, many.most, low, high);
    if (rules.part() != 0.0) {
      kernels.scale_across(x + at, y + at, numbers, places, count, many.most, rules.part());
    } else if (rules.find(count, &many)) {
      kernels.apply_across(x + at, y + at, numbers, places, count, many.rules, many.narrow);
    } else {
      quantize_singly(format, layout, block, block + count, x, y);
    }
    block += count;
  }
}

}  // namespace

bool quantize_many(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last, const float* x,
                   float* y) {
  if (last - first < kFew || !BlockRules::can(*format.format)) return false;
  const size_t dims = layout.size.size();
  const bool by_exponent = (format.format->needs & kExponent) == kExponent;
  const bool by_part = part_of(*format.format, format.numbers) != 0.0;
  if ((by_exponent || by_part) && (dims == 1 || (dims == 2 && layout.block[0] == 1))) {
    quantize_rows(format, layout, first, last, x, y);
    return true;
  }
  if ((dims == 2 || (dims == 3 && layout.block[0] == 1)) && layout.block[dims - 1] == 1) {
    quantize_columns(format, layout, first, last, x, y);
    return true;
  }
  return false;
}

}  // namespace chop::quantizers
