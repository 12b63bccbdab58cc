#include "chop/trainer/window.h"

#include <algorithm>
#include <string>

#include "chop/trainer/unary.h"

namespace chop::trainer {
namespace {

using ir::Node;

constexpr int kTiledFrom = 24;                    // channels; with fewer, making tiles takes the time that they save
constexpr int64_t kMostPlane = int64_t{1} << 28;  // numbers of the planes of a group, with their margins

// One dimension of a convolution.
struct Axis {
  int size = 1, kernel = 1, stride = 1, before = 0, dilation = 1, count = 1;

  int last_read() const { return (count - 1) * stride + (kernel - 1) * dilation - before; }
  int after() const { return std::max(0, last_read() - (size - 1)); }
  // Of the gradient of the result: places before and behind it that taps of the input's places reach.
  int g_before() const { return std::max(0, ((kernel - 1) * dilation - before + stride - 1) / stride); }
  int g_after() const { return std::max(0, (size - 1 + before) / stride - (count - 1)); }
};

int whole(const Node& node, int64_t value) {
  if (value < 0 || value > 1 << 20) refuse(node, "has a window of " + std::to_string(value));
  return static_cast<int>(value);
}

Axis axis_of(const Node& node, const ir::Shape& input, size_t d) {
  Axis axis;
  axis.size = whole(node, input[2 + d]);
  axis.kernel = whole(node, node.parameter("weight")->shape[2 + d]);
  axis.stride = whole(node, node.list("stride")[d]);
  axis.before = whole(node, node.list("padding")[2 * d]);
  axis.dilation = whole(node, node.list("dilation")[d]);
  axis.count = whole(node, node.shape[2 + d]);
  return axis;
}

struct Tap {
  int number, source;  // of the kernel's taps, and the place in the gradient of the result, seen from the first place
};

// The taps that places of remainder r by the stride take part in.
std::vector<Tap> taps_of(const Axis& axis, int r) {
  std::vector<Tap> found;
  for (int k = 0; k < axis.kernel; ++k) {
    const int distance = r + axis.before - k * axis.dilation;
    if (distance % axis.stride == 0) found.push_back({k, distance / axis.stride});
  }
  return found;
}

TapClass class_of(const Axis& down, const Axis& across, const Margins& g, int row, int column) {
  TapClass made{row, column, (down.size - row - 1) / down.stride + 1, (across.size - column - 1) / across.stride + 1,
                {},  {}};
  for (const Tap& y : taps_of(down, row))
    for (const Tap& x : taps_of(across, column)) {
      made.g_taps.push_back(g.at(y.source, x.source));
      made.w_taps.push_back(y.number * across.kernel + x.number);
    }
  return made;
}

std::vector<TrainSpan> spans(const Node& node, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                             int64_t dilation, int64_t count, bool with_margins) {
  std::vector<TrainSpan> found;
  for (int64_t i = 0; i < count; ++i) {
    int64_t first = i * stride - padding, taps = kernel;
    const int64_t all = std::min(first + kernel, size + padding) - first;  // dilated pools do not average
    while (taps > 0 && first < 0) first += dilation, --taps;
    while (taps > 0 && first + (taps - 1) * dilation >= size) --taps;
    if (taps == 0) first = 0;
    found.push_back({whole(node, first), whole(node, taps), whole(node, dilation),
                     whole(node, with_margins ? std::max<int64_t>(all, 1) : taps)});
  }
  return found;
}

std::vector<TrainSpan> adaptive_spans(const Node& node, int64_t size, int64_t count) {
  std::vector<TrainSpan> found;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    found.push_back({whole(node, begin), whole(node, end - begin), 1, whole(node, end - begin)});
  }
  return found;
}

// Of trailing dimensions, all of whose numbers become one.
std::optional<Pool> reduction_of(const Node& node, const ir::Shape& input) {
  const std::string& op = node.op->name;
  if (op != "mean" && op != "sum") return std::nullopt;
  ir::List dims = node.list("dims");
  const auto rank = static_cast<int64_t>(input.size());
  for (int64_t& d : dims) d = d < 0 ? d + rank : d;
  std::sort(dims.begin(), dims.end());
  const int64_t first = rank - static_cast<int64_t>(dims.size());
  int64_t channels = 1, width = 1;
  for (int64_t d = 1; d < rank; ++d) (d < first ? channels : width) *= input[static_cast<size_t>(d)];
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != first + static_cast<int64_t>(i)) refuse(node, "reduces dimensions that are not the last ones");
  if (first < 1 || dims.empty()) refuse(node, "reduces the batch");
  const int count = whole(node, width);
  return Pool{false, whole(node, channels), 1, count, {{0, 1, 1, 1}}, {{0, count, 1, count}}, op == "sum" ? 1.0 : 0.0};
}

bool has_tiles(const Axis& axis) {
  return axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1 && axis.before <= 2;
}

}  // namespace

Convolution convolution_of(const Node& node, const ir::Shape& input, bool plain) {
  const auto& weight = node.parameter("weight")->shape;
  const size_t spatial = weight.size() - 2;
  const Axis across = axis_of(node, input, spatial - 1);
  const Axis down = spatial == 2 ? axis_of(node, input, 0) : Axis{};
  Convolution made;
  made.groups = whole(node, node.integer("groups"));
  made.outs = whole(node, weight[0]) / made.groups;
  made.ins = whole(node, weight[1]);
  made.taps = whole(node, static_cast<int64_t>(down.kernel) * across.kernel);
  made.rows = down.count;
  made.columns = across.count;
  made.stride_down = down.stride;
  made.stride_across = across.stride;
  made.x = {down.size, across.size, down.before, across.before, down.after(), across.after()};
  made.g = {down.count, across.count, down.g_before(), across.g_before(), down.g_after(), across.g_after()};
  made.tiled = plain && made.groups == 1 && made.ins >= kTiledFrom && made.outs >= kTiledFrom && has_tiles(down) &&
               has_tiles(across);
  if (made.x.plane() > kMostPlane / made.ins || made.g.plane() > kMostPlane / made.outs)
    refuse(node, "has margins that are far wider than its input");
  for (int y = 0; y < down.kernel; ++y)
    for (int x = 0; x < across.kernel; ++x) {
      made.x_taps.push_back(y * down.dilation * made.x.row() + static_cast<int64_t>(x) * across.dilation * kPlace);
      made.w_taps.push_back(y * across.kernel + x);
    }
  for (int i = 0; i < made.ins; ++i)
    for (const int64_t tap : made.x_taps) made.offsets.push_back(i * made.x.plane() + tap);
  for (int row = 0; row < std::min(down.stride, down.size); ++row)
    for (int column = 0; column < std::min(across.stride, across.size); ++column)
      made.classes.push_back(class_of(down, across, made.g, row, column));
  return made;
}

std::optional<Pool> pool_of(const Node& node, const ir::Shape& input) {
  if (auto reduction = reduction_of(node, input)) return reduction;
  const std::string& op = node.op->name;
  const bool adaptive = op.rfind("adaptive_", 0) == 0;
  if (op.find("_pool") == std::string::npos) return std::nullopt;
  const size_t spatial = op.back() == 'd' && op[op.size() - 2] == '2' ? 2 : 1;
  if (input.size() != spatial + 2) refuse(node, "must take rows of channels to be trained in the core");
  Pool made;
  made.largest = op.find("max_pool") != std::string::npos;
  made.channels = whole(node, input[1]);
  made.height = spatial == 2 ? whole(node, input[2]) : 1;
  made.width = whole(node, input.back());
  const auto along = [&](size_t d) {
    const int64_t size = input[2 + d], count = node.shape[2 + d];
    if (adaptive) return adaptive_spans(node, size, count);
    const bool with_margins = !made.largest && node.attribute("count_include_pad") != 0;
    return spans(node, size, node.list("kernel_size")[d], node.list("stride")[d], node.list("padding")[d],
                 node.list("dilation")[d], count, with_margins);
  };
  made.down = spatial == 2 ? along(0) : std::vector<TrainSpan>{{0, 1, 1, 1}};
  made.across = along(spatial - 1);
  if (!made.largest && !adaptive) made.divisor = node.attribute("divisor_override");
  return made;
}

}  // namespace chop::trainer
