// Operations on floats: small cases by hand, refusals, and the kernels of every instruction set bit for bit.
#include <cmath>

#include "chop/evaluator/run_node.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop::evaluator {
namespace {

using namespace testing;
using Spec = ir::Graph::Spec;
using Values = std::vector<float>;

// One operation on inputs of the given shapes (without their batch); the inputs are named a, b, …
ir::Graph single(const std::string& op, const std::vector<ir::Shape>& shapes,
                 std::vector<ir::Attribute> attributes = {}, std::vector<ir::Parameter> parameters = {}) {
  std::vector<Spec> specs;
  Spec node{"node", op, {}, std::move(attributes), std::move(parameters), {}};
  for (const ir::Shape& shape : shapes) {
    Spec input{std::string(1, static_cast<char>('a' + specs.size())), "input", {}, {}, {}, {ir::kBatch}};
    input.shape.insert(input.shape.end(), shape.begin(), shape.end());
    node.inputs.push_back(input.name);
    specs.push_back(std::move(input));
  }
  specs.push_back(std::move(node));
  return ir::Graph::from_specs(specs, "node");
}

Values run_one(const ir::Graph& graph, const Values& x) { return run_node(graph, "node", {x}, 1); }

TEST(float_ops_serve_whole_tables_and_tails) {
  for (const int64_t samples : {1, 63, 64, 65, 200}) {
    const Values x = uniform_values(samples * 3, -2.0f, 2.0f, 7);
    const Values y = run_node(single("neg", {{3}}), "node", {x}, samples);
    CHECK(y.size() == x.size());
    for (size_t i = 0; i < x.size(); ++i) CHECK(same_bits(y[i], -x[i]), samples, " samples, number ", i);
  }
}

TEST(rearrangements_move_what_they_should) {
  const Values x{1, 2, 3, 4, 5, 6};
  CHECK((run_one(single("transpose", {{2, 3}}, {{"dim0", 1.0}, {"dim1", 2.0}}), x) == Values{1, 4, 2, 5, 3, 6}));
  CHECK((run_one(single("permute", {{1, 2, 3}}, {{"dims", ir::List{0, 3, 1, 2}}}), x) == Values{1, 4, 2, 5, 3, 6}));
  CHECK(run_one(single("flatten", {{2, 3}}, {{"start_dim", 1.0}, {"end_dim", -1.0}}), x) == x);
  const Values y{7, 8};
  CHECK(
      (run_node(single("cat", {{2, 3}, {2, 1}}, {{"dim", 2.0}}), "node", {x, y}, 1) == Values{1, 2, 3, 7, 4, 5, 6, 8}));
  CHECK((run_node(single("stack", {{2}, {2}}, {{"dim", 2.0}}), "node", {y, {9, 10}}, 1) == Values{7, 9, 8, 10}));
}

TEST(parts_and_constants) {
  const Values x{1, 2, 3, 4, 5, 6};
  const ir::Graph slice = single("slice", {{2, 3}},
                                 {{"start", ir::List{0, 1, 0}},
                                  {"step", ir::List{1, 1, 2}},
                                  {"size", ir::List{-1, 1, 2}},
                                  {"shape", ir::List{-1, 2}}});
  CHECK((run_one(slice, x) == Values{4, 6}));
  const ir::Graph pad =
      single("pad", {{2, 2}}, {{"before", ir::List{0, 1, 0}}, {"after", ir::List{0, 0, 1}}, {"value", 9.0}});
  CHECK((run_one(pad, {1, 2, 3, 4}) == Values{9, 9, 9, 1, 2, 9, 3, 4, 9}));
  const ir::Graph nearest = single("upsample_nearest", {{1, 2}}, {{"output_size", ir::List{5}}});
  CHECK((run_one(nearest, {1, 2}) == Values{1, 1, 1, 2, 2}));
  const auto sliced = [](const ir::List& start, const ir::List& step, const ir::List& size, const ir::List& shape) {
    single("slice", {{3}}, {{"start", start}, {"step", step}, {"size", size}, {"shape", shape}});
  };
  CHECK_REFUSED("slice takes 2 numbers from 2 in steps of 1 out of dimension 1 of ?x3",
                sliced({0, 2}, {1, 1}, {-1, 2}, {-1, 2}));
  CHECK_REFUSED("slice takes 1 numbers from 0 in steps of 1 out of dimension 0",
                sliced({0, 0}, {1, 1}, {1, 3}, {1, 3}));
  CHECK_REFUSED("slice gives ?x3, which is not ?x2", sliced({0, 0}, {1, 1}, {-1, 3}, {-1, 2}));
  CHECK_REFUSED("slice gives ?x3, which is not 3", sliced({0, 0}, {1, 1}, {-1, 3}, {3}));
}

TEST(averages_count_what_they_should) {
  const auto pool = [](double with_padding, double divisor) {
    return run_one(single("avg_pool1d", {{1, 3}},
                          {{"kernel_size", ir::List{2}},
                           {"stride", ir::List{1}},
                           {"padding", ir::List{1}},
                           {"dilation", ir::List{1}},
                           {"ceil_mode", 0.0},
                           {"count_include_pad", with_padding},
                           {"divisor_override", divisor}}),
                   {2, 4, 6});
  };
  CHECK((pool(1, 0) == Values{1, 3, 5, 3}) && (pool(0, 0) == Values{2, 3, 5, 6}));
  CHECK((pool(1, 4) == Values{0.5f, 1.5f, 2.5f, 1.5f}));
}

TEST(arithmetic_broadcasts) {
  const Values a{10, 20}, b{1, 2, 3};
  CHECK((run_node(single("add", {{2, 1}, {1, 3}}), "node", {a, b}, 1) == Values{11, 12, 13, 21, 22, 23}));
  CHECK((run_node(single("sub", {{1, 3}, {2, 1}}), "node", {b, a}, 1) == Values{-9, -8, -7, -19, -18, -17}));
  const ir::Graph quotient = single("div_scalar", {{2}}, {{"other", 5.0}, {"reversed", 1.0}});
  CHECK((run_one(quotient, {2, 4}) == Values{2.5f, 1.25f}));
}

TEST(pools_cover_their_windows) {
  const std::vector<ir::Attribute> two{{"kernel_size", ir::List{2}},
                                       {"stride", ir::List{2}},
                                       {"padding", ir::List{1}},
                                       {"dilation", ir::List{1}},
                                       {"ceil_mode", 0.0}};
  const Values x{-3, -5, NAN, 4, 6, 8};
  const Values largest = run_one(single("max_pool1d", {{1, 6}}, two), x);
  CHECK(largest.size() == 4 && largest[0] == -3 && std::isnan(largest[1]) && largest[2] == 6 && largest[3] == 8);
  const Values mean =
      run_one(single("adaptive_avg_pool1d", {{2, 3}}, {{"output_size", ir::List{2}}}), {1, 2, 4, 8, 16, 32});
  CHECK((mean == Values{1.5f, 3, 12, 24}));
}

TEST(products_of_activations_are_matrix_products) {
  const Values a{1, 2, 3, 4, 5, 6}, b{1, 0, 2, 1, 0, 3};
  CHECK((run_node(single("matmul", {{2, 3}, {3, 2}}), "node", {a, b}, 1) == Values{5, 11, 14, 23}));
  CHECK_REFUSED("node node (matmul) of ?x3 and ?x3x2", run_node(single("matmul", {{3}, {3, 2}}), "node", {}, 1));
}

TEST(embedding_looks_up_whole_numbers) {
  const ir::Graph graph = single("embedding", {{3}}, {}, {ir::Parameter::of("weight", {3, 2}, {1, 2, 3, 4, 5, 6})});
  CHECK((run_one(graph, {2, 0, 1}) == Values{5, 6, 1, 2, 3, 4}));
  for (const float wrong : {-1.0f, 3.0f, 0.5f, NAN, INFINITY}) CHECK(std::isnan(run_one(graph, {wrong, 0, 0})[0]));
}

TEST(normalization_of_one_sample) {
  const ir::Graph graph = single("layer_norm", {{2}}, {{"eps", 0.0}, {"normalized_shape", ir::List{2}}},
                                 {ir::Parameter::of("weight", {2}, {2, 3}), ir::Parameter::of("bias", {2}, {10, 20})});
  CHECK((run_one(graph, {5, 9}) == Values{8, 23}));
}

TEST(what_moves_the_batch_is_refused) {
  const auto make = [](const ir::Graph& graph) { run_node(graph, "node", {}, 1); };
  CHECK_REFUSED("node node (transpose): the batch must be the first dimension",
                make(single("transpose", {{3}}, {{"dim0", 0.0}, {"dim1", 1.0}})));
  CHECK_REFUSED("node node (softmax) works along the batch", make(single("softmax", {{3}}, {{"dim", 0.0}})));
  CHECK_REFUSED("the batch must be the first dimension",
                make(single("mean", {{3}}, {{"dims", ir::List{}}, {"keepdim", 0.0}})));
  CHECK_REFUSED("the batch must be the first dimension and no other, got ?x?x3", make(single("add", {{3}, {1, 3}})));
  CHECK_REFUSED("operation of the evaluator 'linear' is not known",
                make(single("linear", {{1}}, {}, {ir::Parameter::of("weight", {1, 1}, {1})})));
  CHECK_REFUSED("input 0 must hold 1 times 3 numbers, got 2", run_one(single("neg", {{3}}), {1, 2}));
  CHECK_REFUSED("the graph has no node 'knot'", run_node(single("neg", {{3}}), "knot", {}, 1));
}

constexpr int kRows = 40;

Values awkward_block(uint64_t seed) { return awkward_values<float>(kRows * kBlock, 0.0625f, -128.0f, 127.0f, seed); }

TEST(activations_are_the_same_on_every_instruction_set) {
  const Values x = awkward_block(31);
  const float constants[3] = {-0.7f, 1.3f, 2.0f};
  for (int kind = 0; kind < kActivations; ++kind) {
    Values expected(x.size(), 77.0f);
    kernels(Isa::baseline).activation(static_cast<Activation>(kind), constants, x.data(), expected.data(), kRows);
    for (const Isa isa : available_isas()) {
      Values y(x.size(), 78.0f);
      kernels(isa).activation(static_cast<Activation>(kind), constants, x.data(), y.data(), kRows);
      const int64_t at = first_difference(y, expected);
      CHECK(at < 0, isa_name(isa), " kind ", kind, " x ", at < 0 ? 0.0f : x[static_cast<size_t>(at)]);
    }
  }
}

// Every kernel on rows, one result after the other.
Values all_row_kernels(const RowKernels& k, const Values& x, const Values& other) {
  const std::vector<int32_t> begin{0, 3, 3, 10, 11}, rows{5, 0, 39, 1, 2, 3, 4, 5, 6, 7, 20}, left{3, 3, 1, 0};
  const RowSets sets{begin.data(), rows.data(), 4};
  Values all;
  const auto part = [&](int count, auto write) {
    Values y(static_cast<size_t>(count) * kBlock, 77.0f);
    write(y.data());
    all.insert(all.end(), y.begin(), y.end());
  };
  part(4, [&](float* y) { k.largest(sets, x.data(), y); });
  part(4, [&](float* y) { k.sum(sets, x.data(), y); });
  part(4, [&](float* y) { k.sum_wide(sets, x.data(), y), k.divide(y, other.data(), 4); });
  for (const Arithmetic op : {Arithmetic::add, Arithmetic::subtract, Arithmetic::multiply, Arithmetic::divide}) {
    part(kRows, [&](float* y) { k.combine(op, x.data(), nullptr, other.data(), nullptr, y, kRows); });
    part(4, [&](float* y) { k.combine(op, x.data(), left.data(), other.data(), rows.data(), y, 4); });
  }
  part(1, [&](float* y) { k.dot(x.data(), 2, other.data(), 1, 20, y); });
  for (const bool logarithm : {false, true}) {
    part(kRows, [&](float* y) {
      for (int i = 0; i < 4; ++i) k.softmax(x.data() + i * kBlock, 10, 4, logarithm, y + i * kBlock);
    });
  }
  part(kRows, [&](float* y) { k.normalize(x.data(), kRows, 1e-5, other.data(), other.data() + 50, y); });
  part(kRows, [&](float* y) { k.normalize(x.data(), kRows, 0.0, nullptr, nullptr, y); });
  return all;
}

TEST(row_kernels_are_the_same_on_every_instruction_set) {
  for (const bool wild : {false, true}) {
    const Values x = wild ? awkward_block(41) : uniform_values(kRows * kBlock, -3.0f, 3.0f, 41);
    const Values other = wild ? awkward_block(42) : uniform_values(kRows * kBlock, -3.0f, 3.0f, 42);
    const Values expected = all_row_kernels(kernels(Isa::baseline).rows, x, other);
    for (const Isa isa : available_isas()) {
      const int64_t at = first_difference(all_row_kernels(kernels(isa).rows, x, other), expected);
      CHECK(at < 0, isa_name(isa), wild ? " wild" : "", " at ", at);
    }
  }
}

TEST(every_operation_but_the_layers_is_a_float_operation) {
  const std::vector<std::string> elsewhere{"input",        "linear", "conv1d",   "conv2d", "batch_norm1d",
                                           "batch_norm2d", "relu",   "identity", "opaque"};
  for (const ir::Op& op : ir::op_table()) {
    bool known = float_ops().members().count(op.name) != 0;
    for (const std::string& name : elsewhere) known |= op.name == name;
    CHECK(known, op.name);
  }
}

}  // namespace
}  // namespace chop::evaluator
