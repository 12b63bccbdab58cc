#include "chop/trainer/values.h"

#include <type_traits>

namespace chop::trainer {
namespace {

template <class T>
const quantizers::RealType& real_type() {
  if constexpr (std::is_same_v<T, float>) {
    return quantizers::kFloat32;
  } else {
    return quantizers::kFloat64;
  }
}

std::vector<int64_t> with_rows(const ValueOperand& operand, int64_t rows) {
  std::vector<int64_t> shape = operand.shape;
  shape.front() = rows;
  return shape;
}

}  // namespace

bool ValueOperand::operator==(const ValueOperand& other) const {
  if (!format || !other.format) return format == other.format;
  return format->format == other.format->format && format->numbers == other.format->numbers &&
         format->block_size == other.format->block_size && format->first == other.format->first && shape == other.shape;
}

bool mixes_rows(const ValueOperand& operand) {
  if (!operand.format->by_block()) return false;
  std::vector<int64_t> shape = with_rows(operand, 64);
  return quantizers::block_shape(&shape, operand.format->block_size, operand.format->first).front() > 1;
}

template <class T>
void to_values(const ValueOperand& operand, const T* x, T* y) {
  quantizers::quantize_tensor(*operand.format, operand.shape, x, y);
}

template <class T>
void rows_to_values(const ValueOperand& operand, const TrainBlock& size, const T* x, T* y) {
  const quantizers::BoundFormat& format = *operand.format;
  int64_t features = 1;
  for (size_t d = 1; d < operand.shape.size(); ++d) features *= operand.shape[d];
  if (!format.by_block())
    return quantizers::quantize_numbers(*format.format, format.numbers.data(), real_type<T>(), features * size.ld, x,
                                        y);
  // Blocks go along the numbers of a row of data.
  const int64_t rows = size.valid;
  thread_local std::vector<T> turned;
  turned.resize(static_cast<size_t>(features * rows));
  for (int64_t f = 0; f < features; ++f)
    for (int64_t s = 0; s < rows; ++s) turned[static_cast<size_t>(s * features + f)] = x[f * size.ld + s];
  const quantizers::BlockLayout layout =
      quantizers::block_layout(with_rows(operand, rows), format.block_size, format.first);
  quantizers::quantize_blocks(*format.format, format.numbers.data(), real_type<T>(), layout, 0, layout.blocks,
                              turned.data(), turned.data());
  for (int64_t f = 0; f < features; ++f) {
    for (int64_t s = 0; s < rows; ++s) y[f * size.ld + s] = turned[static_cast<size_t>(s * features + f)];
    for (int64_t s = rows; s < size.ld; ++s) y[f * size.ld + s] = T(0);
  }
}

template void to_values<float>(const ValueOperand&, const float*, float*);
template void to_values<double>(const ValueOperand&, const double*, double*);
template void rows_to_values<float>(const ValueOperand&, const TrainBlock&, const float*, float*);
template void rows_to_values<double>(const ValueOperand&, const TrainBlock&, const double*, double*);

}  // namespace chop::trainer
