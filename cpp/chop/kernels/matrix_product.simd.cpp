// Row-major products of small matrices. Sums start with the bias and run in the order of k; where they round, the
// compiler may fuse, so instruction sets differ in the last bits. See CMakeLists.txt.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

using V = VectorOf<float>::type;
static_assert(kPanel % kLanes == 0, "a row of b has room for whole vectors");

// A tile of Rows x (Cols vectors) of c, of which only `valid` columns are written.
template <int Rows, int Cols>
inline void tile(const MatrixProduct& p, int row, int column, int valid) {
  const float* a = p.a + row * p.lda;
  const float* b = p.b + column;
  V sum[Rows][Cols];
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    const float start = p.row_bias ? p.row_bias[row + r] : 0.0f;
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) {
      sum[r][c] = V{} + start;
      if (p.column_bias) sum[r][c] += load(p.column_bias + column + c * kLanes);
    }
  }
  for (int k = 0; k < p.k; ++k) {
    V line[Cols];
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) line[c] = load(b + k * p.ldb + c * kLanes);
    CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
      const float factor = a[r * p.lda + k];
      CHOP_UNROLL for (int c = 0; c < Cols; ++c) sum[r][c] += line[c] * factor;
    }
  }
  float* to = p.c + row * p.ldc + column;
  if (valid == Cols * kLanes) {
    CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
      CHOP_UNROLL for (int c = 0; c < Cols; ++c) store(to + r * p.ldc + c * kLanes, sum[r][c]);
    }
    return;
  }
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    float kept[Cols * kLanes];
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) store(kept + c * kLanes, sum[r][c]);
    __builtin_memcpy(to + r * p.ldc, kept, static_cast<unsigned long>(valid) * sizeof(float));
  }
}

template <int Cols>
inline void columns(const MatrixProduct& p, int column) {
  constexpr int rows = kLanes == 16 ? 8 : 4;  // rows * Cols sums and the operands fit the registers
  const int left = p.n - column;
  const int valid = left < Cols * kLanes ? left : Cols * kLanes;
  int row = 0;
  for (; row + rows <= p.m; row += rows) tile<rows, Cols>(p, row, column, valid);
  for (; row < p.m; ++row) tile<1, Cols>(p, row, column, valid);
}

void run(const MatrixProduct& p) {
  int column = 0;
  for (; column + kLanes < p.n; column += 2 * kLanes) columns<2>(p, column);
  if (column < p.n) columns<1>(p, column);
}

}  // namespace

extern const MatrixProductKernel matrix_product;
const MatrixProductKernel matrix_product = run;

}  // namespace chop::CHOP_ISA
