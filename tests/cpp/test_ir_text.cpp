// The text form: it reads back equal, and whatever it is given, it answers with a graph or one clear refusal.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "chop/ir/text.h"
#include "graphs.h"
#include "test.h"

namespace {

// The largest single allocation since it was last set to zero.
std::atomic<size_t> largest_allocation{0};

void* allocate(size_t size) {
  if (size > largest_allocation) largest_allocation = size;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return std::malloc(size ? size : 1); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return std::malloc(size ? size : 1); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace chop::ir {
namespace {

using testing::Random;

const char* const kText =
    "chop.graph 1\n"
    "x = input() : ?x2\n"
    "bn = batch_norm1d(x) {eps = 1e-05} [running_mean 2 #00000000000000aa, running_var 2 #ffffffffffffffff] : ?x2\n"
    "fc = linear(bn) [weight 3x2 #0123456789abcdef, bias 3 #1] : ?x3\n"
    "act = relu(fc) : ?x3\n"
    "return act\n";

TEST(text_reads_back_equal) {
  const Graph graph = testing::small_network();
  const std::string text = print(graph);
  const Graph back = parse(text);
  CHECK(back == graph && print(back) == text);
  CHECK(parse(kText).nodes().size() == 4);
  CHECK(print(parse(print(parse(kText)))) == print(parse(kText)));
  CHECK(!(parse(kText) == graph));
}

TEST(text_keeps_the_exact_number) {
  for (const double eps : {1e-5, 0.1, 5e-324, 1.7976931348623157e308, 0.0, 1.0 / 3.0}) {
    const Graph graph =
        Graph::from_specs({{"x", "input", {}, {}, {}, {kBatch, 2}},
                           {"bn",
                            "batch_norm1d",
                            {"x"},
                            {{"eps", eps}},
                            {Parameter::of("running_mean", {2}, {0, 0}), Parameter::of("running_var", {2}, {1, 1})},
                            {}}},
                          "bn");
    CHECK(parse(print(graph)) == graph, "eps ", eps);
  }
}

const char* const kLists =
    "chop.graph 1\n"
    "x = input() : ?x2x6\n"
    "conv = conv1d(x) {dilation = [1], groups = 1, padding = [1, 0], stride = [2]} [weight 4x2x3 #0f, bias 4 #1] : "
    "?x4x3\n"
    "turned = permute(conv) {dims = [-1, 0, 1]} : 3x?x4\n"
    "all = mean(turned) {dims = [], keepdim = 0} : scalar\n"
    "return all\n";

TEST(lists_read_back_equal) {
  const Graph graph = parse(kLists);
  CHECK(parse(print(graph)) == graph && print(parse(print(graph))) == print(graph));
  CHECK(graph.nodes()[1].list("padding") == List({1, 0}) && graph.nodes()[1].integer("groups") == 1);
  CHECK(graph.nodes()[2].list("dims") == List({-1, 0, 1}) && graph.nodes()[3].list("dims").empty());
  CHECK_REFUSED("node conv has no list groups", graph.nodes()[1].list("groups"));
  CHECK_REFUSED("node conv has no attribute stride", graph.nodes()[1].attribute("stride"));
}

TEST(bad_lists_are_refused) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kLists;
    return parse(text.replace(text.find(from), from.size(), to));
  };
  CHECK_REFUSED("attribute stride must be a list", with("stride = [2]", "stride = 2"));
  CHECK_REFUSED("attribute groups must be a number", with("groups = 1", "groups = [1]"));
  CHECK_REFUSED("stride needs 1 entries, got 2", with("stride = [2]", "stride = [2, 2]"));
  CHECK_REFUSED("stride must be 1 or more", with("stride = [2]", "stride = [0]"));
  CHECK_REFUSED("line 3: expected ','", with("stride = [2]", "stride = [2.5]"));
  CHECK_REFUSED("line 3: expected a whole number", with("stride = [2]", "stride = [x]"));
  CHECK_REFUSED("line 3: expected ','", with("stride = [2]", "stride = [2"));
  CHECK_REFUSED("has an entry out of range", with("stride = [2]", "stride = [9223372036854775807]"));
  CHECK_REFUSED("too many entries", with("dims = [-1, 0, 1]", "dims = [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"));
  CHECK_REFUSED("groups must be a whole number", with("groups = 1", "groups = 1.5"));
  CHECK_REFUSED("needs the attribute stride", with(", stride = [2]", ""));
  CHECK_REFUSED("permute names dimension 0 twice", with("dims = [-1, 0, 1]", "dims = [0, 0, 1]"));
}

TEST(parsed_graphs_have_no_values) {
  CHECK_REFUSED("holds only their digests", parse(kText).nodes()[2].values("weight"));
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kText;
  return text.replace(text.find(from), from.size(), to);
}

TEST(bad_text_is_refused_with_its_line) {
  CHECK_REFUSED("return line is missing", parse(""));
  CHECK_REFUSED("return line is missing", parse("chop.graph 1\n"));
  CHECK_REFUSED("line 1: expected 'chop.graph 1'", parse("chop.graph 2\n"));
  CHECK_REFUSED("line 1", parse("chop.graph 1 more\n"));
  CHECK_REFUSED("line 2: expected a name", parse(replaced("x = input", " = input")));
  CHECK_REFUSED("line 2: expected '='", parse(replaced("x = input", "x input")));
  CHECK_REFUSED("line 3: expected a number", parse(replaced("1e-05", "small")));
  CHECK_REFUSED("line 4: expected '#'", parse(replaced("weight 3x2 #", "weight 3x2 ")));
  CHECK_REFUSED("line 4: a size must not be negative", parse(replaced("weight 3x2", "weight 3x-2")));
  CHECK_REFUSED("line 4: expected a whole number", parse(replaced("weight 3x2", "weight 99999999999999999999x2")));
  CHECK_REFUSED("line 4: too many dimensions", parse(replaced("weight 3x2", "weight 1x1x1x1x1x1x1x1x1")));
  CHECK_REFUSED("line 5: unexpected", parse(replaced("relu(fc) : ?x3", "relu(fc) : ?x3 and more")));
  CHECK_REFUSED("the text says ?x4", parse(replaced("relu(fc) : ?x3", "relu(fc) : ?x4")));
  CHECK_REFUSED("nothing may follow", parse(std::string(kText) + "y = relu(act) : ?x3\n"));
  CHECK_REFUSED("the output reads 'none'", parse(replaced("return act", "return none")));
  CHECK_REFUSED("negative size", parse(replaced("weight 3x2", "weight ?x2")));
}

std::string mutated(Random& random, std::string text) {
  static const std::string alphabet = "0123456789abcdefx?#=()[]{},:._- \nreturnlinear\0\xff";
  for (int64_t edits = 1 + random.below(3); edits > 0 && !text.empty(); --edits) {
    const auto at = static_cast<size_t>(random.below(static_cast<int64_t>(text.size())));
    const char c = alphabet[static_cast<size_t>(random.below(static_cast<int64_t>(alphabet.size())))];
    switch (random.below(8)) {
      case 0: text.erase(at, 1 + static_cast<size_t>(random.below(9))); break;
      case 1: text.insert(at, 1, c); break;
      case 2:
        text.insert(at, text.substr(static_cast<size_t>(random.below(static_cast<int64_t>(text.size()))), 12));
        break;
      case 3: text[at] = c; break;
      default:
        // A digit for a digit keeps the text readable, so that the deeper checks are reached too.
        text[at] = text[at] >= '0' && text[at] <= '9' ? static_cast<char>('0' + random.below(10)) : text[at];
    }
  }
  return text;
}

TEST(mutated_text_never_crashes_and_never_allocates_wildly) {
  Random random(7);
  const std::string large = print(testing::small_network());
#ifdef __SANITIZE_THREAD__
  const int cases = 20000;  // one thread: no race to find
#else
  const int cases = 200000;
#endif
  int accepted = 0;
  size_t most = 0;
  for (int i = 0; i < cases; ++i) {
    const std::string text = mutated(random, i % 3 == 0 ? kLists : i % 3 == 1 ? large : kText);
    largest_allocation = 0;
    try {
      const Graph graph = parse(text);
      ++accepted;
      CHECK(print(parse(print(graph))) == print(graph), "case ", i);
    } catch (const std::invalid_argument&) {
    }
    most = std::max(most, largest_allocation.load());
  }
  CHECK(most < 16 * (large.size() + 64), "one allocation of ", most, " bytes");
  CHECK(accepted * 5 >= cases, "only ", accepted, " accepted: the mutations no longer reach the deeper checks");
}

TEST(truncated_text_is_refused_at_every_length) {
  const std::string text = kText;
  for (size_t length = 0; length + 5 < text.size(); ++length)
    CHECK(!testing::refusal([&] { parse(text.substr(0, length)); }).empty(), "length ", length);
}

TEST(huge_sizes_cost_nothing) {
  largest_allocation = 0;
  const std::string huge = "4611686018427387904";
  const Graph graph = parse("chop.graph 1\nx = input() : ?x" + huge + "\nfc = linear(x) [weight " + huge + "x" + huge +
                            " #1] : ?x" + huge + "\nreturn fc\n");
  CHECK(graph.nodes()[1].shape.back() == 4611686018427387904);
  CHECK(largest_allocation < 65536, largest_allocation.load(), " bytes");
}

}  // namespace
}  // namespace chop::ir
