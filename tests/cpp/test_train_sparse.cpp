// Kernels that leave out zeros against those that do not: the same bits on every instruction set.
#include <limits>

#include "chop/kernels/kernels.h"
#include "samples.h"

namespace chop {
namespace {

using namespace testing;

template <class T>
const TrainKernels<T>& kernels_of(Isa isa) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return kernels(isa).train_f32;
  } else {
    return kernels(isa).train_f64;
  }
}

// Rows of numbers, some of which are zero, as are whole rows and the places behind the rows of data.
template <class T>
std::vector<T> rows_of(Random& random, int rows, const TrainBlock& block, double zeros) {
  std::vector<T> made(static_cast<size_t>(rows * block.ld), T(0));
  for (int r = 0; r < rows; ++r) {
    if (random.uniform(0.0f, 1.0f) < zeros) continue;
    for (int s = 0; s < block.rows; ++s)
      made[static_cast<size_t>(r * block.ld + s)] = static_cast<T>(random.uniform(-2.0f, 2.0f));
  }
  return made;
}

template <class T>
std::vector<T> some(Random& random, int count, double zeros) {
  std::vector<T> made(static_cast<size_t>(count), T(0));
  for (T& each : made)
    if (random.uniform(0.0f, 1.0f) >= zeros) each = static_cast<T>(random.uniform(-2.0f, 2.0f));
  return made;
}

template <class T>
bool equal(const std::vector<T>& a, const std::vector<T>& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = same_bits(a[i], b[i]);
  return same;
}

template <class T>
void compare(Isa isa, Random& random, int outs, int ins, int rows, double zeros) {
  const TrainBlock block{rows, rows, rows + 16};
  const auto& table = kernels_of<T>(isa);
  const std::vector<T> x = rows_of<T>(random, ins, block, zeros), g = rows_of<T>(random, outs, block, zeros);
  const std::vector<T> w = some<T>(random, outs * ins, zeros), bias = some<T>(random, outs, 0.5);
  for (const bool turned : {false, true}) {  // forward, and the gradient of x
    TrainProduct<T> p;
    p.block = block;
    p.w = w.data();
    p.outs = turned ? ins : outs;
    p.ins = turned ? outs : ins;
    p.w_out = turned ? 1 : ins;
    p.w_in = turned ? ins : 1;
    p.bias = turned ? nullptr : bias.data();
    p.x = turned ? g.data() : x.data();
    p.relu = !turned && outs % 2 == 0;
    p.add = ins % 2 == 0;
    std::vector<T> dense = rows_of<T>(random, p.outs, block, zeros), sparse = dense;
    p.y = dense.data();
    table.linear.product(p);
    p.y = sparse.data();
    CHECK(table.sparse.product(p));
    CHECK(equal(dense, sparse));
  }
  std::vector<T> dense = some<T>(random, outs * ins, 0.5), sparse = dense;
  std::vector<T> bias_dense = some<T>(random, outs, 0.5), bias_sparse = bias_dense;
  table.linear.weight_gradient({block, g.data(), x.data(), dense.data(), bias_dense.data(), outs, ins});
  CHECK(table.sparse.weight_gradient({block, g.data(), x.data(), sparse.data(), bias_sparse.data(), outs, ins}));
  CHECK(equal(dense, sparse));
  CHECK(equal(bias_dense, bias_sparse));
}

TEST(what_leaves_out_zeros_gives_the_same_bits) {
  for (const Isa isa : available_isas()) {
    Random random(3);
    for (const double zeros : {0.0, 0.3, 0.9, 1.0})
      for (const int rows : {16, 48, 128})
        for (const int ins : {1, 6, 16, 33})
          for (const int outs : {1, 3, 5, 32}) {
            compare<float>(isa, random, outs, ins, rows, zeros);
            compare<double>(isa, random, outs, ins, rows, zeros);
          }
  }
}

template <class T>
void refuse(Isa isa, T number, int ins) {
  Random random(4);
  const TrainBlock block{16, 16, 16};
  const auto& table = kernels_of<T>(isa);
  std::vector<T> x = rows_of<T>(random, ins, block, 0.0);
  x[17] = number;
  const std::vector<T> w(static_cast<size_t>(ins), T(0));  // zero times what is not finite is no zero
  std::vector<T> y(16, T(7)), dw(static_cast<size_t>(ins), T(7));
  TrainProduct<T> p;
  p.block = block;
  p.w = w.data();
  p.w_in = 1;
  p.x = x.data();
  p.y = y.data();
  p.outs = 1;
  p.ins = ins;
  CHECK(!table.sparse.product(p));
  CHECK(!table.sparse.weight_gradient({block, y.data(), x.data(), dw.data(), nullptr, 1, ins}));
  CHECK(equal(y, std::vector<T>(16, T(7))));
  CHECK(equal(dw, std::vector<T>(static_cast<size_t>(ins), T(7))));
}

TEST(what_leaves_out_zeros_refuses_numbers_that_are_not_finite_and_layers_that_are_too_wide) {
  for (const Isa isa : available_isas()) {
    refuse<float>(isa, std::numeric_limits<float>::infinity(), 4);
    refuse<double>(isa, std::numeric_limits<double>::quiet_NaN(), 4);
    refuse<float>(isa, 1.0f, 4000);
  }
}

}  // namespace
}  // namespace chop
