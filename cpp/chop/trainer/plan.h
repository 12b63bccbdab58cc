// The steps of forward and backward, in phases. Within a phase a block of samples needs nothing of other blocks;
// between phases batch statistics, and sums of gradients over the batch, are put together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chop/ir/graph.h"
#include "chop/kernels/training.h"
#include "chop/trainer/grid_runs.h"
#include "chop/trainer/row_norms.h"
#include "chop/trainer/specification.h"
#include "chop/trainer/values.h"
#include "chop/trainer/window.h"

namespace chop::trainer {

inline constexpr int kTrainRows = 128;

// A tensor of the graph: rows of a block's memory, one a feature.
struct Value {
  int features = 0;
  int row = 0;
  int gradient = -1;  // row of its gradient; -1: nobody wants it
  int readers = 0;
};

enum class Kind { linear, conv, pool, norm, row_norm, relu, unary, quantize, add, multiply };

struct Step {
  Kind kind = Kind::relu;
  std::string node;
  int a = -1, b = -1, out = -1;    // values
  int64_t weight = -1, bias = -1;  // places in the parameters
  int norm = -1;
  int window = -1;  // of the plan's convolutions or pools
  int row_norm = -1;
  int positions = 1;  // linear: rows of features side by side
  bool relu = false;  // of the result, of linear, conv, norm and add
  TrainUnaryOp op;
  double factor = 1.0;                // add: a + factor b
  std::vector<GridRun> grids;         // quantize: of the rows
  int learned = -1;                   // quantize: groups whose widths are trained, instead of the grids
  bool sparse = false;                // linear: many weights become zero
  ValueOperand values;                // quantize: to the values of a format, instead of the grids
  bool add_a = false, add_b = false;  // the gradient is added to what is there
};

struct Norm {
  int channels = 0, positions = 1;
  double eps = 1e-5;
  int running = -1;
  double momentum = 0.1;
  int64_t gamma = -1, beta = -1;  // places in the parameters
};

// Parameters that are used as rounded to grids.
struct Rounded {
  int64_t place = 0, size = 0;
  ElementFormats formats;  // as the specification has them
  std::vector<GridRun> grids;
  int learned = -1;          // groups whose widths are trained, instead of the grids
  ValueOperand values = {};  // to the values of a format, instead of the grids
};

// The numbers of an operand in groups that share the widths which are trained.
struct LearnedGroups {
  bool parameter = false, is_signed = true;
  int64_t size = 0, share = 1;  // numbers (of an input: features), and how many of them a group has
  int64_t first = 0;            // of its groups, among all
  int64_t bits = 0;             // of a parameter: place of its numbers' bits
  int64_t values = 0;           // of an input: of its groups, among those of inputs
  int64_t groups() const { return size / share; }
};

// A linear layer whose weights and inputs are learned.
struct LearnedProduct {
  int weights = 0, inputs = 0;
};

struct Item {
  int step = 0;
  bool statistics = false;  // of a norm: its sums over the batch, not its result
};
using Phase = std::vector<Item>;

struct Plan {
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<Norm> norms;
  std::vector<RowNorm> row_norms;
  std::vector<Convolution> convolutions;
  std::vector<Pool> pools;
  std::vector<Rounded> rounded;
  std::vector<LearnedGroups> learned;
  std::vector<LearnedProduct> learned_products;
  int64_t groups = 0;  // of all of `learned`
  std::vector<Phase> forward, backward;
  int input = 0, output = 0;
  int rows = 0;     // of a block's memory
  int scratch = 0;  // row where `largest` free rows begin
  int largest = 0;  // most features of a value
  bool clipped = false;
  int64_t parameters = 0, trained = 0;  // numbers
  int64_t products = 0;                 // of a row of data, about
  int block_rows = kTrainRows;          // samples of a block

  // Throws std::invalid_argument that names the node that cannot be trained.
  static Plan make(const ir::Graph& graph, const Specification& specification);
};

// A ReLU becomes part of the layer whose only reader it is.
void fuse(Plan& plan);

// Fills in phases, gradients and rows.
void arrange(Plan& plan);

}  // namespace chop::trainer
