#include "chop/quantizers/value_format.h"

#include <cmath>
#include <type_traits>

#include "chop/core/check.h"
#include "chop/kernels/number_kernels.h"
#include "chop/quantizers/block_rules.h"

namespace chop::quantizers {
namespace {

const NumberKernels<float>& kernels_of(const float*) { return number_kernels().f32; }
const NumberKernels<double>& kernels_of(const double*) { return number_kernels().f64; }

double one_far(double x, const NumberRule& rule) {
  if (std::isnan(x)) return x;
  const double inside = std::fmin(std::fabs(x), rule.largest);
  if (rule.kind == RuleKind::power_of_two) {
    int exponent = 0;
    const double fraction = std::frexp(inside, &exponent);
    const double power = std::ldexp(1.0, fraction >= 0.7071067811865476 ? exponent : exponent - 1);
    return std::copysign(inside == 0.0 ? rule.lowest : std::fmin(std::fmax(power, rule.lowest), rule.largest), x + 0.0);
  }
  if (inside == 0.0) return x;
  const int exponent = std::ilogb(std::fmax(inside, rule.lowest)) - rule.bits + 1;
  const double whole = std::nearbyint(std::scalbn(inside, -exponent));
  return std::copysign(std::scalbn(whole, exponent), x);
}

template <class T>
void apply(const NumberRule& rule, int64_t n, const T* x, T* y) {
  if (rule.narrow || !is_far(rule)) return kernels_of(x).apply(x, y, n, rule);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(one_far(static_cast<double>(x[i]), rule));
}

template <class T>
NumberRule rule_of(const BoundNumbers& bound, const BlockFacts& facts) {
  if constexpr (std::is_same_v<T, float>) return float_rule_of(*bound.format, bound.numbers, facts, bound.type);
  return bound.format->rule(bound.numbers, facts, bound.type);
}

}  // namespace

Registry<ValueFormat>& value_formats() {
  static auto& instance = *new Registry<ValueFormat>("number format");
  return instance;
}

uint32_t number_of(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (const char letter : name) hash = (hash ^ static_cast<uint8_t>(letter)) * 16777619u;
  return hash;
}

const ValueFormat& value_format(int64_t number) {
  for (const auto& [name, format] : value_formats().members())
    if (static_cast<int64_t>(number_of(name)) == number) return format;
  fail("there is no number format with the number ", number);
}

void check_numbers(const ValueFormat& format, size_t count) {
  check(count == static_cast<size_t>(format.count), "a number format takes ", format.count, " numbers, got ", count);
}

template <class T>
void quantize_singly(const BoundNumbers& bound, const BlockLayout& layout, int64_t first, int64_t last, const T* x,
                     T* y) {
  const ValueFormat& format = *bound.format;
  const NumberKernels<T>& kernel = kernels_of(x);
  for (int64_t block = first; block < last; ++block) {
    BlockFacts facts;
    each_run(layout, block, [&](int64_t at, int64_t n) { kernel.look(x + at, n, format.needs, &facts); });
    NumberRule rule = rule_of<T>(bound, facts);
    if (format.mean_of_largest && rule.high == 0.0) {
      double sum = 0.0;
      int64_t count = 0;
      each_run(layout, block, [&](int64_t at, int64_t n) { kernel.above(x + at, n, rule.threshold, &sum, &count); });
      rule.high = count ? sum / static_cast<double>(count) : 0.0;
    }
    each_run(layout, block, [&](int64_t at, int64_t n) { apply(rule, n, x + at, y + at); });
  }
}

template <class T>
void quantize_blocks(const ValueFormat& format, const double* numbers, const RealType& type, const BlockLayout& layout,
                     int64_t first, int64_t last, const T* x, T* y) {
  const BoundNumbers bound{&format, numbers, type};
  if constexpr (std::is_same_v<T, float>) {
    if (quantize_many(bound, layout, first, last, x, y)) return;
  }
  quantize_singly(bound, layout, first, last, x, y);
}

template <class T>
void quantize_numbers(const ValueFormat& format, const double* numbers, const RealType& type, int64_t n, const T* x,
                      T* y) {
  apply(rule_of<T>({&format, numbers, type}, {}), n, x, y);
}

template <class T>
void quantize_tensor(const BoundFormat& bound, const std::vector<int64_t>& shape, const T* x, T* y) {
  const RealType& type = std::is_same_v<T, float> ? kFloat32 : kFloat64;
  const BlockLayout layout = block_layout(shape, bound.block_size, bound.first);
  if (bound.by_block()) {
    quantize_blocks(*bound.format, bound.numbers.data(), type, layout, 0, layout.blocks, x, y);
  } else {
    quantize_numbers(*bound.format, bound.numbers.data(), type, layout.elements, x, y);
  }
}

#define CHOP_QUANTIZE(T)                                                                                            \
  template void quantize_singly<T>(const BoundNumbers&, const BlockLayout&, int64_t, int64_t, const T*, T*);        \
  template void quantize_blocks<T>(const ValueFormat&, const double*, const RealType&, const BlockLayout&, int64_t, \
                                   int64_t, const T*, T*);                                                          \
  template void quantize_numbers<T>(const ValueFormat&, const double*, const RealType&, int64_t, const T*, T*);     \
  template void quantize_tensor<T>(const BoundFormat&, const std::vector<int64_t>&, const T*, T*);
CHOP_QUANTIZE(float)
CHOP_QUANTIZE(double)
#undef CHOP_QUANTIZE

}  // namespace chop::quantizers
