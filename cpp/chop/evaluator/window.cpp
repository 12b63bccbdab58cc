#include "chop/evaluator/window.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/kernels/product.h"

namespace chop::evaluator {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 24;  // of a row: 4 GiB a block

struct Extent {
  int64_t in, out, kernel, stride, padding, dilation;

  // The input's place for one output and one tap, or a negative number.
  int64_t at(int64_t place, int64_t tap) const {
    const int64_t from = place * stride - padding + tap * dilation;
    return from >= 0 && from < in ? from : -1;
  }
};

// One dimension is two of which the first has one place.
using Extents = std::vector<Extent>;

void find_places(const ir::Node& node, const Extents& e, Window* w) {
  const Extent &rows = e[e.size() - 2], &columns = e.back();
  w->places_in = static_cast<int>(rows.in * columns.in);
  w->places_out = static_cast<int>(rows.out * columns.out);
  w->taps = static_cast<int>(rows.kernel * columns.kernel);
  check(int64_t{w->places_out} * w->taps <= kMostElements, "evaluator: node ", node.name, " is too large");
  for (int64_t y = 0; y < rows.out; ++y)
    for (int64_t x = 0; x < columns.out; ++x)
      for (int64_t i = 0; i < rows.kernel; ++i)
        for (int64_t j = 0; j < columns.kernel; ++j) {
          const int64_t row = rows.at(y, i), column = columns.at(x, j);
          w->from.push_back(row < 0 || column < 0 ? kPadded : static_cast<int32_t>(row * columns.in + column));
        }
}

Window convolution(const ir::Node& node, const ir::Shape& input) {
  const ir::Shape& weight = node.parameter("weight")->shape;
  Extents e{{1, 1, 1, 1, 0, 1}};
  for (size_t i = 0; i + 2 < weight.size(); ++i)
    e.push_back({input[2 + i], node.shape[2 + i], weight[2 + i], node.list("stride")[i], node.list("padding")[2 * i],
                 node.list("dilation")[i]});
  Window w;
  w.channels = static_cast<int>(input[1]);
  w.out = static_cast<int>(weight[0]);
  w.groups = static_cast<int>(node.integer("groups"));
  find_places(node, e, &w);
  return w;
}

}  // namespace

bool Window::padded() const { return std::find(from.begin(), from.end(), kPadded) != from.end(); }

bool is_max_pool(const ir::Node& node) {
  const size_t spatial = node.op->name == "max_pool2d" ? 2 : node.op->name == "max_pool1d" ? 1 : 0;
  return spatial > 0 && node.shape.size() == spatial + 2 && node.shape.front() == ir::kBatch;
}

Window pool_window(const ir::Node& node, const ir::Shape& input) {
  Extents e{{1, 1, 1, 1, 0, 1}};
  for (size_t i = 0; i + 2 < input.size(); ++i)
    e.push_back({input[2 + i], node.shape[2 + i], node.list("kernel_size")[i], node.list("stride")[i],
                 node.list("padding")[i], node.list("dilation")[i]});
  Window w;
  w.channels = w.out = w.groups = static_cast<int>(input[1]);
  find_places(node, e, &w);
  return w;
}

int elements(const ir::Node& node) {
  check(!node.shape.empty() && node.shape.front() == ir::kBatch, "evaluator: node ", node.name, " has the shape ",
        ir::shape_text(node.shape), "; its first dimension must be the batch");
  int64_t count = 1;
  for (size_t i = 1; i < node.shape.size(); ++i) {
    const bool fits = node.shape[i] >= 1 && !__builtin_mul_overflow(count, node.shape[i], &count);
    check(fits && count <= kMostElements, "evaluator: node ", node.name, " has the shape ", ir::shape_text(node.shape),
          "; 1 to ", kMostElements, " numbers a row can be run");
  }
  return static_cast<int>(count);
}

Window window_of(const ir::Node& node, const ir::Shape& input) {
  if (node.op->name != "linear") return convolution(node, input);
  Window w;
  w.channels = static_cast<int>(input.back());
  w.out = static_cast<int>(node.shape.back());
  w.places_in = w.places_out = elements(node) / w.out;
  w.channels_last = true;
  for (int place = 0; place < w.places_out; ++place) w.from.push_back(place);
  return w;
}

}  // namespace chop::evaluator
