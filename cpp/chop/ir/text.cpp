#include "chop/ir/text.h"

#include <charconv>
#include <cstdio>
#include <iomanip>
#include <locale>
#include <sstream>
#include <string_view>

#include "chop/core/check.h"

namespace chop::ir {
namespace {

constexpr std::string_view kHeader = "chop.graph 1";
constexpr size_t kMaxDimensions = 8;

// Streams with the classic locale: not every standard library has to_chars and from_chars for double.
bool read_number(const std::string& text, double* value) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  return static_cast<bool>(stream >> *value) && stream.eof();
}

std::string number_text(double value) {
  for (int digits = 6;; ++digits) {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream << std::setprecision(digits) << value;
    double back = 0.0;
    if (digits == 17 || (read_number(stream.str(), &back) && back == value)) return stream.str();
  }
}

std::string digest_text(uint64_t digest) {
  char buffer[20];
  std::snprintf(buffer, sizeof buffer, "#%016llx", static_cast<unsigned long long>(digest));
  return buffer;
}

// Reads one line from left to right.
class Cursor {
 public:
  Cursor(std::string_view line, int number) : rest_(line), number_(number) {}

  bool take(std::string_view token) {
    skip_spaces();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!take(token)) wrong("expected '" + std::string(token) + "'");
  }

  std::string word() {
    const std::string_view taken = take_while([](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
    if (taken.empty()) wrong("expected a name");
    return std::string(taken);
  }

  double number() {
    const std::string_view taken = take_while([](char c) { return c != ',' && c != '}' && c != ' '; });
    double value = 0.0;
    if (!read_number(std::string(taken), &value)) wrong("expected a number");
    return value;
  }

  Shape shape() {
    Shape shape;
    do {
      if (take("?")) {
        shape.push_back(kBatch);
      } else {
        shape.push_back(integer<int64_t>(10));
      }
      if (shape.size() > kMaxDimensions) wrong("too many dimensions");
    } while (!rest_.empty() && rest_[0] == 'x' && take("x"));
    return shape;
  }

  uint64_t digest() {
    expect("#");
    return integer<uint64_t>(16);
  }

  void end() {
    skip_spaces();
    if (!rest_.empty()) wrong("unexpected '" + std::string(rest_.substr(0, 20)) + "'");
  }

  [[noreturn]] void wrong(const std::string& what) const { fail("graph text, line ", number_, ": ", what); }

 private:
  template <class Predicate>
  std::string_view take_while(Predicate predicate) {
    skip_spaces();
    size_t n = 0;
    while (n < rest_.size() && predicate(rest_[n])) ++n;
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

  template <class T>
  T integer(int base) {
    skip_spaces();
    T value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
    if (error != std::errc()) wrong("expected a whole number");
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) wrong("a size must not be negative");
    }
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  void skip_spaces() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
  }

  std::string_view rest_;
  int number_;
};

Graph::Spec parse_node(Cursor& line) {
  Graph::Spec spec;
  spec.name = line.word();
  line.expect("=");
  spec.op = line.word();
  line.expect("(");
  while (!line.take(")")) {
    if (!spec.inputs.empty()) line.expect(",");
    spec.inputs.push_back(line.word());
  }
  if (line.take("{")) {
    while (!line.take("}")) {
      if (!spec.attributes.empty()) line.expect(",");
      const std::string name = line.word();
      line.expect("=");
      spec.attributes.push_back({name, line.number()});
    }
  }
  if (line.take("[")) {
    while (!line.take("]")) {
      if (!spec.parameters.empty()) line.expect(",");
      Parameter p;
      p.name = line.word();
      p.shape = line.shape();
      p.digest = line.digest();
      spec.parameters.push_back(std::move(p));
    }
  }
  line.expect(":");
  spec.shape = line.shape();
  line.end();
  return spec;
}

void check_stated_shapes(const Graph& graph, const std::vector<Graph::Spec>& specs) {
  for (size_t i = 0; i < specs.size(); ++i)
    check(graph.nodes()[i].shape == specs[i].shape, "graph text: node ", specs[i].name, " has the shape ",
          shape_text(graph.nodes()[i].shape), ", the text says ", shape_text(specs[i].shape));
}

}  // namespace

std::string print(const Graph& graph) {
  std::string text = std::string(kHeader) + '\n';
  for (const Node& node : graph.nodes()) {
    text += node.name + " = " + node.op->name + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i)
      text += (i ? ", " : "") + graph.nodes()[static_cast<size_t>(node.inputs[i])].name;
    text += ")";
    if (!node.attributes.empty()) {
      text += " {";
      for (size_t i = 0; i < node.attributes.size(); ++i)
        text += (i ? ", " : "") + node.attributes[i].name + " = " + number_text(node.attributes[i].value);
      text += "}";
    }
    if (!node.parameters.empty()) {
      text += " [";
      for (size_t i = 0; i < node.parameters.size(); ++i) {
        const Parameter& p = node.parameters[i];
        text += (i ? ", " : "") + p.name + " " + shape_text(p.shape) + " " + digest_text(p.digest);
      }
      text += "]";
    }
    text += " : " + shape_text(node.shape) + "\n";
  }
  return text + "return " + graph.nodes()[static_cast<size_t>(graph.output())].name + "\n";
}

Graph parse(const std::string& text) {
  std::vector<Graph::Spec> specs;
  std::string output;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    Cursor line(rest.substr(0, end), number);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (number == 1) {
      line.expect(kHeader);
      line.end();
      continue;
    }
    if (!output.empty()) line.wrong("nothing may follow the return line");
    if (line.take("return ")) {
      output = line.word();
      line.end();
    } else {
      specs.push_back(parse_node(line));
    }
  }
  check(!output.empty(), "graph text: the return line is missing");
  Graph graph = Graph::from_specs(specs, output);
  check_stated_shapes(graph, specs);
  return graph;
}

}  // namespace chop::ir
