#include "chop/evaluator/planes.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "chop/evaluator/product_steps.h"

namespace chop::evaluator {
namespace {

// Values of a block of samples below this stay in the caches; images side by side shall, too.
constexpr int64_t kNearBytes = int64_t{1} << 20;
constexpr int kNone = -1;  // no source

class TableMaker {
 public:
  TableMaker(const Window& window, int images)
      : w_(window), lanes_out_(images * window.places_out), words_in_(plane_rows(images, window.places_in) * kBlock) {}

  GatherTable make() {
    const int rows = (lanes_out_ + kBlock - 1) / kBlock;
    for (int row = 0; row < rows; ++row) {
      for (int lane = 0; lane < kBlock && row * kBlock + lane < lanes_out_; lane += kPieceLanes)
        for (int tap = 0; tap < w_.taps; ++tap) {
          int sources[kPieceLanes];
          for (int l = 0; l < kPieceLanes; ++l) sources[l] = source(row * kBlock + lane + l, tap);
          add(sources, lane, kPieceLanes, tap);
        }
      table_.begin.push_back(static_cast<int32_t>(table_.pieces.size()));
    }
    return std::move(table_);
  }

 private:
  int source(int lane, int tap) const {
    if (lane >= lanes_out_) return kNone;
    const int image = lane / w_.places_out, place = lane % w_.places_out;
    const int32_t from = w_.from[static_cast<size_t>(place * w_.taps + tap)];
    return from == kPadded ? kNone : image * w_.places_in + from;
  }

  void add(const int* sources, int lane, int width, int tap) {
    Piece piece;
    piece.tap = static_cast<int16_t>(tap);
    piece.lane = static_cast<uint8_t>(lane);
    piece.width = static_cast<uint8_t>(width);
    for (const int step : {1, 2})
      if (const std::optional<int> first = start(sources, width, step)) {
        piece.from = *first;
        piece.step = static_cast<uint8_t>(step);
        piece.mask = mask(sources, width);
        table_.pieces.push_back(piece);
        return;
      }
    if (width > 4) {
      add(sources, lane, width / 2, tap);
      return add(sources + width / 2, lane + width / 2, width / 2, tap);
    }
    piece.from = static_cast<int32_t>(table_.words.size());
    table_.words.insert(table_.words.end(), sources, sources + width);
    table_.pieces.push_back(piece);
  }

  // The word that lane 0 reads where all lanes with a source read `step` words apart, within the memory at hand.
  std::optional<int> start(const int* sources, int width, int step) const {
    std::optional<int> found;
    for (int l = 0; l < width; ++l) {
      if (sources[l] == kNone) continue;
      if (found && *found != sources[l] - l * step) return {};
      found = sources[l] - l * step;
    }
    if (!found) return 0;
    return *found >= -kSlackWords && *found + width * step <= words_in_ + kSlackWords ? found : std::nullopt;
  }

  int32_t mask(const int* sources, int width) {
    Mask wanted{};
    bool all = true;
    for (int l = 0; l < width; ++l) {
      wanted.lane[l] = sources[l] == kNone ? 0u : ~0u;
      all = all && sources[l] != kNone;
    }
    if (all) return -1;
    for (size_t i = 0; i < table_.masks.size(); ++i)
      if (std::memcmp(&table_.masks[i], &wanted, sizeof wanted) == 0) return static_cast<int32_t>(i);
    table_.masks.push_back(wanted);
    return static_cast<int32_t>(table_.masks.size()) - 1;
  }

  const Window& w_;
  int lanes_out_, words_in_;
  GatherTable table_;
};

bool sees_itself(const Window& w) {
  if (w.taps != 1 || w.places_in != w.places_out) return false;
  for (int place = 0; place < w.places_out; ++place)
    if (w.from[static_cast<size_t>(place)] != place) return false;
  return true;
}

bool is_convolution(const ir::Node& node) { return node.op->name == "conv1d" || node.op->name == "conv2d"; }

int64_t places_of(const ir::Node& node) {
  return std::accumulate(node.shape.begin() + 2, node.shape.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

int images_together(const ir::Graph& graph, int64_t rows) {
  const ir::Node& input = graph.nodes().front();
  if (input.op->name != "input" || input.shape.size() < 3 || input.shape.front() != ir::kBatch) return 0;
  int64_t largest = 0, fewest = kBlock;
  bool any = false;
  for (const ir::Node& node : graph.nodes()) {
    if (!is_convolution(node) || node.shape.front() != ir::kBatch) continue;
    any = true;
    fewest = std::min(fewest, places_of(node));
    largest = std::max(largest, node.shape[1] * places_of(node));
  }
  if (!any) return 0;
  const int64_t bytes = largest * int64_t{sizeof(float)};
  if (rows >= kBlock && bytes * kBlock <= kNearBytes) return 0;
  int images = 1;
  while (images < rows && images * fewest < kBlock && 2 * images * bytes <= kNearBytes) images *= 2;
  return images;
}

std::shared_ptr<const PlaneWindow> plane_window(const Window& window, int images) {
  auto made = std::make_shared<PlaneWindow>();
  made->images = images;
  made->lanes_out = images * window.places_out;
  made->taps = window.taps;
  Window& rows = made->rows;
  rows.channels = window.channels;
  rows.out = window.out;
  rows.groups = window.groups;
  rows.places_in = plane_rows(images, window.places_in);
  rows.places_out = plane_rows(images, window.places_out);
  if (!sees_itself(window)) made->table = TableMaker(window, images).make();
  return made;
}

std::vector<int32_t> plane_input_rows(const Window& window, Encoding encoding) {
  const int channels = window.channels / window.groups, together = channels_of(encoding);
  std::vector<int32_t> rows;
  for (int g = 0; g < window.groups; ++g)
    for (int first = 0; first < channels; first += together)
      for (int place = 0; place < window.places_in; ++place)
        for (int c = first; c < first + together; ++c)
          rows.push_back(c < channels ? window.row(g * channels + c, place) : -1);
  return rows;
}

}  // namespace chop::evaluator
