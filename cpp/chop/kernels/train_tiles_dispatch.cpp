#include "chop/kernels/kernels.h"
#include "chop/kernels/train_tiles.h"

namespace chop {

#define CHOP_DECLARE_TILES(ns)                                                     \
  namespace ns {                                                                   \
  extern const TrainTileKernels<float> train_tiles_f32;                            \
  extern const TrainTileKernels<double> train_tiles_f64;                           \
  inline const TrainTileKernels<float>& tiles(float) { return train_tiles_f32; }   \
  inline const TrainTileKernels<double>& tiles(double) { return train_tiles_f64; } \
  }
CHOP_DECLARE_TILES(baseline)
#ifdef CHOP_HAS_avx2
CHOP_DECLARE_TILES(avx2)
CHOP_DECLARE_TILES(avx512)
#endif
#undef CHOP_DECLARE_TILES

template <class T>
const TrainTileKernels<T>& train_tile_kernels() {
#ifdef CHOP_HAS_avx2
  if (active_isa() >= Isa::avx512) return avx512::tiles(T());
  if (active_isa() == Isa::avx2) return avx2::tiles(T());
#endif
  return baseline::tiles(T());
}

template const TrainTileKernels<float>& train_tile_kernels<float>();
template const TrainTileKernels<double>& train_tile_kernels<double>();

}  // namespace chop
