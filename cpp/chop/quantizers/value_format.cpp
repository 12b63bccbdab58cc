#include "chop/quantizers/value_format.h"

#include <cmath>

#include "chop/core/check.h"
#include "chop/kernels/number_kernels.h"

namespace chop::quantizers {
namespace {

const NumberKernels<float>& kernels_of(const float*) { return number_kernels().f32; }
const NumberKernels<double>& kernels_of(const double*) { return number_kernels().f64; }

// The kernel works with exponents of double; next to their ends numbers go one by one.
bool is_far(const NumberRule& rule) {
  constexpr double kTop = 0x1p960, kBottom = 0x1p-960;
  if (rule.kind == RuleKind::significant) return rule.largest > kTop || rule.lowest < kBottom;
  return rule.kind == RuleKind::power_of_two && rule.lowest < kBottom;
}

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
  if (!is_far(rule)) return kernels_of(x).apply(x, y, n, rule);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(one_far(static_cast<double>(x[i]), rule));
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
void quantize_blocks(const ValueFormat& format, const double* numbers, const RealType& type, const BlockLayout& layout,
                     int64_t first, int64_t last, const T* x, T* y) {
  const NumberKernels<T>& kernel = kernels_of(x);
  for (int64_t block = first; block < last; ++block) {
    BlockFacts facts;
    each_run(layout, block, [&](int64_t at, int64_t n) { kernel.look(x + at, n, format.needs, &facts); });
    NumberRule rule = format.rule(numbers, facts, type);
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
void quantize_numbers(const ValueFormat& format, const double* numbers, const RealType& type, int64_t n, const T* x,
                      T* y) {
  apply(format.rule(numbers, {}, type), n, x, y);
}

void quantize_tensor(const BoundFormat& bound, const std::vector<int64_t>& shape, const float* x, float* y) {
  const BlockLayout layout = block_layout(shape, bound.block_size, bound.first);
  if (bound.by_block()) {
    quantize_blocks(*bound.format, bound.numbers.data(), kFloat32, layout, 0, layout.blocks, x, y);
  } else {
    quantize_numbers(*bound.format, bound.numbers.data(), kFloat32, layout.elements, x, y);
  }
}

#define CHOP_QUANTIZE(T)                                                                                            \
  template void quantize_blocks<T>(const ValueFormat&, const double*, const RealType&, const BlockLayout&, int64_t, \
                                   int64_t, const T*, T*);                                                          \
  template void quantize_numbers<T>(const ValueFormat&, const double*, const RealType&, int64_t, const T*, T*);
CHOP_QUANTIZE(float)
CHOP_QUANTIZE(double)
#undef CHOP_QUANTIZE

}  // namespace chop::quantizers
