#include "chop/quantizers/block_rules.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "chop/kernels/number_kernels.h"

namespace chop::quantizers {
namespace {

constexpr int kMantissa = 23;
constexpr size_t kSubnormal = 1;  // the one row whose numbers have different exponents

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

size_t row_of(float largest) {
  const auto bits = std::bit_cast<uint32_t>(largest);
  return size_t{2} * (bits >> kMantissa) + ((bits & ((1u << kMantissa) - 1)) != 0 ? 1 : 0);
}

}  // namespace

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
    : format_(format),
      numbers_(numbers),
      type_(type),
      part_(format.part_of_largest ? format.part_of_largest(numbers) : 0.0) {
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
    const size_t row = row_of(blocks->most[b]);
    if (!by_exponent_.empty() && row != kSubnormal) {
      blocks->rules[b] = &by_exponent_[row];
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

class ManyRunner {
 public:
  ManyRunner(const BoundNumbers& format, const BlockLayout& layout, const float* x, float* y)
      : format_(format), layout_(layout), rules_(*format.format, format.numbers, format.type), x_(x), y_(y) {}

  // Blocks of a row, one behind the other.
  void rows(int64_t first, int64_t last) {
    const int64_t size = layout_.block.back();
    const bool whole = layout_.size.back() % size == 0;  // rows follow each other without a short block
    const int64_t columns = whole ? layout_.elements : layout_.size.back(), in_row = (columns + size - 1) / size;
    for (int64_t block = first; block < last;) {
      const int64_t row = block / in_row, place = block % in_row, at = row * columns + place * size;
      const int64_t full = columns / size - place;
      const int count = full < 1 ? 1 : static_cast<int>(std::min({full, int64_t{kNumberLanes}, last - block}));
      const int64_t length = full < 1 ? columns - place * size : size;
      kernels_.largest_of(x_ + at, count, length, many_.most);
      if (rules_.part() != 0.0) {
        scale_rows(at, count, length);
      } else if (rules_.find(count, &many_)) {
        kernels_.apply_each(x_ + at, y_ + at, count, length, many_.rules, many_.narrow);
      } else {
        quantize_singly(format_, layout_, block, block + count, x_, y_);
      }
      block += count;
    }
  }

  // Blocks along the last dimension but one.
  void columns(int64_t first, int64_t last) {
    const size_t dims = layout_.size.size();
    const int64_t places = layout_.size[dims - 1], length = layout_.size[dims - 2], size = layout_.block[dims - 2];
    const int64_t in_group = layout_.in_dimension(dims - 2);
    for (int64_t block = first; block < last;) {
      const int64_t place = block % places, part = block / places % in_group, group = block / places / in_group;
      const int64_t at = (group * length + part * size) * places + place;
      const int count = static_cast<int>(std::min({places - place, int64_t{kNumberLanes}, last - block}));
      const int64_t numbers = std::min(size, length - part * size);
      many_.clear(count);
      float *low = rules_.ends() ? many_.low : nullptr, *high = rules_.ends() ? many_.high : nullptr;
      kernels_.look_across(x_ + at, numbers, places, count, many_.most, low, high);
      if (rules_.part() != 0.0) {
        kernels_.scale_across(x_ + at, y_ + at, numbers, places, count, many_.most, rules_.part());
      } else if (rules_.find(count, &many_)) {
        kernels_.apply_across(x_ + at, y_ + at, numbers, places, count, many_.rules, many_.narrow);
      } else {
        quantize_singly(format_, layout_, block, block + count, x_, y_);
      }
      block += count;
    }
  }

 private:
  void scale_rows(int64_t at, int count, int64_t length) {
    NumberRule rule;
    rule.kind = RuleKind::scaled;
    rule.low = -rules_.part();
    rule.high = rules_.part();
    for (int b = 0; b < count; ++b, at += length) {
      const double step = static_cast<double>(many_.most[b]) / rules_.part();
      rule.step = step > 0.0 ? step : 1.0;
      number_kernels().f32.apply(x_ + at, y_ + at, length, rule);
    }
  }

  const BoundNumbers& format_;
  const BlockLayout& layout_;
  const BlockRules rules_;
  const float* x_;
  float* y_;
  const NumberBlockKernels& kernels_ = number_block_kernels();
  ManyBlocks many_;
};

}  // namespace

bool quantize_many(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last, const float* x,
                   float* y) {
  if (last - first < kFew || !BlockRules::can(*format.format)) return false;
  const size_t dims = layout.size.size();
  const bool by_exponent = (format.format->needs & kExponent) == kExponent;
  const bool by_part = format.format->part_of_largest && format.format->part_of_largest(format.numbers) != 0.0;
  if ((by_exponent || by_part) && (dims == 1 || (dims == 2 && layout.block[0] == 1))) {
    ManyRunner(format, layout, x, y).rows(first, last);
    return true;
  }
  if ((dims == 2 || (dims == 3 && layout.block[0] == 1)) && layout.block[dims - 1] == 1) {
    ManyRunner(format, layout, x, y).columns(first, last);
    return true;
  }
  return false;
}

}  // namespace chop::quantizers
