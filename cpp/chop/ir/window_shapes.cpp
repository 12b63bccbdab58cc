// Shapes of what slides a window over the last dimensions: convolutions and pools. torch's rules.
#include "chop/core/check.h"
#include "chop/ir/shape_rules.h"

namespace chop::ir {
namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 48;  // far from overflow with any listed stride or padding

// One dimension of a window, and how many times it fits.
struct Window {
  int64_t kernel, stride, before, after, dilation;
  bool ceil = false;

  int64_t reach() const { return dilation * (kernel - 1) + 1; }

  int64_t count(int64_t extent) const {
    const int64_t room = extent + before + after - reach();
    if (room < 0 && !(ceil && room + stride > 0)) return 0;
    int64_t n = (room + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (n - 1) * stride >= extent + before) --n;  // the last window must start inside
    return n;
  }
};

const List& listed(const Node& node, const std::string& name, size_t count) {
  const List& values = node.list(name);
  check(values.size() == count, "node ", node.name, ": ", name, " needs ", count, " entries, got ", values.size());
  return values;
}

int64_t slid(const Node& node, const Window& window, int64_t extent) {
  check(extent >= 0 && extent <= kLargestExtent, "node ", node.name, ": ", node.op->name,
        " cannot slide over a dimension of ", extent == kBatch ? "the batch" : std::to_string(extent));
  check(window.kernel >= 1 && window.kernel <= 1 << 24 && window.dilation >= 1 && window.dilation <= 1 << 24, "node ",
        node.name, ": kernel and dilation must be 1 or more");
  check(window.stride >= 1 && window.before >= 0 && window.after >= 0, "node ", node.name,
        ": stride must be 1 or more, padding 0 or more");
  const int64_t count = window.count(extent);
  check(count >= 1, "node ", node.name, ": ", node.op->name, " with a window of ", window.reach(),
        " does not fit an input of ", extent);
  return count;
}

Shape conv_shape(const Node& node, const Shape& shape, size_t spatial) {
  const Parameter &weight = *node.parameter("weight"), *bias = node.parameter("bias");
  const int64_t groups = node.integer("groups");
  check(weight.shape.size() == spatial + 2, "node ", node.name, ": ", node.op->name, " needs a weight of ", spatial + 2,
        " dimensions, got ", shape_text(weight.shape));
  check(groups >= 1 && weight.shape[0] % groups == 0, "node ", node.name, ": ", weight.shape[0],
        " output channels do not divide into ", groups, " groups");
  check(shape.size() == spatial + 2 && shape[1] == multiply(node, weight.shape[1], groups), "node ", node.name, ": ",
        node.op->name, " takes ", multiply(node, weight.shape[1], groups), " channels and ", spatial,
        " more dimension(s), its input has ", shape_text(shape));
  check(!bias || bias->shape == Shape{weight.shape[0]}, "node ", node.name, ": ", node.op->name, " gives ",
        weight.shape[0], " channels, its bias has ", bias ? shape_text(bias->shape) : "");
  const List &stride = listed(node, "stride", spatial), &dilation = listed(node, "dilation", spatial);
  const List& padding = listed(node, "padding", 2 * spatial);  // before and after, for each dimension
  Shape result{shape[0], weight.shape[0]};
  for (size_t i = 0; i < spatial; ++i)
    result.push_back(
        slid(node, {weight.shape[2 + i], stride[i], padding[2 * i], padding[2 * i + 1], dilation[i]}, shape[2 + i]));
  return result;
}

void check_pool_rank(const Node& node, const Shape& shape, size_t spatial) {
  check(shape.size() == spatial + 1 || shape.size() == spatial + 2, "node ", node.name, ": ", node.op->name, " takes ",
        spatial + 1, " or ", spatial + 2, " dimensions, got ", shape_text(shape));
}

Shape pool_shape(const Node& node, Shape shape, size_t spatial) {
  check_pool_rank(node, shape, spatial);
  const List &kernel = listed(node, "kernel_size", spatial), &stride = listed(node, "stride", spatial);
  const List &padding = listed(node, "padding", spatial), &dilation = listed(node, "dilation", spatial);
  const bool ceil = node.attribute("ceil_mode") != 0.0;
  for (size_t i = 0; i < spatial; ++i) {
    const Window window{kernel[i], stride[i], padding[i], padding[i], dilation[i], ceil};
    int64_t& extent = shape[shape.size() - spatial + i];
    const int64_t count = slid(node, window, extent);
    check(padding[i] <= kernel[i] / 2, "node ", node.name, ": padding must be at most half of the kernel, got ",
          padding[i]);
    extent = count;
  }
  return shape;
}

Shape adaptive_pool_shape(const Node& node, Shape shape, size_t spatial) {
  check_pool_rank(node, shape, spatial);
  const List& size = listed(node, "output_size", spatial);
  for (size_t i = 0; i < spatial; ++i) {
    int64_t& extent = shape[shape.size() - spatial + i];
    check(extent != kBatch, "node ", node.name, ": ", node.op->name, " cannot pool the batch");
    check(size[i] >= -1, "node ", node.name, ": output_size must be 0 or more, or -1 to keep it; got ", size[i]);
    if (size[i] != -1) extent = size[i];
  }
  return shape;
}

}  // namespace

Shape conv1d_shape(const Node& node, const Shapes& inputs) { return conv_shape(node, inputs[0], 1); }
Shape conv2d_shape(const Node& node, const Shapes& inputs) { return conv_shape(node, inputs[0], 2); }
Shape pool1d_shape(const Node& node, const Shapes& inputs) { return pool_shape(node, inputs[0], 1); }
Shape pool2d_shape(const Node& node, const Shapes& inputs) { return pool_shape(node, inputs[0], 2); }
Shape adaptive_pool1d_shape(const Node& node, const Shapes& inputs) { return adaptive_pool_shape(node, inputs[0], 1); }
Shape adaptive_pool2d_shape(const Node& node, const Shapes& inputs) { return adaptive_pool_shape(node, inputs[0], 2); }

}  // namespace chop::ir
