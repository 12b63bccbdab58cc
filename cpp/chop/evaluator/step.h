// One kernel call of a plan, on one block. Steps are immutable and shared between plans.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "chop/core/registry.h"
#include "chop/ir/graph.h"
#include "chop/kernels/product.h"

namespace chop::evaluator {

// The same block of neighbouring parts of the data.
struct Neighbours {
  const std::byte* first;
  size_t stride;  // bytes
  const void* at(int k) const { return first + static_cast<size_t>(k) * stride; }
};

class Step {
 public:
  explicit Step(int groups) : groups_(groups) {}
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  // in[i]: the blocks that the step reads, none of which is `out`.
  virtual void run(const void* const* in, void* out) const = 0;

  // The same for `count` neighbours, of whose places `rows` hold data. arguments: memory for as many pointers as there
  // are inputs.
  virtual void run_many(const std::vector<Neighbours>& in, const Neighbours& out, int count, int rows,
                        std::vector<const void*>* arguments) const;

  // Whether what it makes of the data is worth keeping: much smaller than the data itself.
  virtual bool compact() const { return false; }

  // Whether to make it costs more than to read it again, so that it is worth keeping once it was made twice.
  virtual bool costly() const { return false; }

  virtual size_t bytes() const { return 0; }  // that it holds beside a block, if that is worth counting

  int groups() const { return groups_; }  // of the block that it writes, kGroupBytes each

 private:
  int groups_;
};
using StepPtr = std::shared_ptr<const Step>;

// An operation on floats: reads and writes blocks in Encoding::f32, a row for each element of the node's shape without
// the batch, in torch's (row-major) order.
struct FloatOp {
  // inputs: the nodes that `node` reads. Throws std::invalid_argument, naming the node, for what it cannot do.
  StepPtr (*make)(const ir::Node& node, const std::vector<const ir::Node*>& inputs);
  bool same_bits;  // whether torch gives the same bits on every machine
};
Registry<FloatOp>& float_ops();  // by the operation's name

}  // namespace chop::evaluator
