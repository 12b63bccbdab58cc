// Convolutions of 3x3 taps by tiles, see train_tiles.h.
#pragma once

#include <vector>

#include "chop/kernels/train_tiles.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"

namespace chop::trainer {

template <class T>
class TileRunner {
 public:
  explicit TileRunner(const Plan& plan);

  // Brings the taps of all tiled convolutions to U. Read after it by the calls below, from any thread.
  void prepare(const T* weights);

  // All planes are without margins.
  void forward(const Step& step, const T* x, const T* bias, T* y) const;
  void back_inputs(const Step& step, const T* g, T* dx) const;
  void back_taps(const Step& step, const T* x, const T* g, T* dw) const;

 private:
  static TrainTiles<T> planes(int channels, int height, int width);
  // turned: the taps from outputs to inputs.
  void convolve(const Step& step, TrainTiles<T> inputs, TrainTiles<T> results, bool turned) const;
  const T* taps(const Step& step) const { return taps_.data() + places_[static_cast<size_t>(step.window)]; }

  const Plan& plan_;
  std::vector<int64_t> places_;  // of each convolution's U, [kTileParts][outs][ins]
  std::vector<T> taps_;
  const TrainTileKernels<T>& tiles_ = train_tile_kernels<T>();
  const TrainWindowKernels<T>& kernels_ = Real<T>::kernels().windows;
};

extern template class TileRunner<float>;
extern template class TileRunner<double>;

}  // namespace chop::trainer
