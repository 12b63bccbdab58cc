// What every statistic offers: update with tensors, merge with a partner, compute; by several threads at once, too.
//
// A statistic sees a tensor as [rows][groups]: the numbers of one group lie `groups` apart and give one answer. NaN are
// left out, counted and reported. A member is one file that adds itself to registry().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "chop/core/fork.h"
#include "chop/core/registry.h"

namespace chop::statistics {

using Argument = std::variant<bool, int64_t, double, std::string>;
using Arguments = std::map<std::string, Argument>;

// One contiguous tensor, float or double.
class Values {
 public:
  Values(const float* data, int64_t rows, int64_t groups) : rows(rows), groups(groups), f32_(data) {}
  Values(const double* data, int64_t rows, int64_t groups) : rows(rows), groups(groups), f64_(data) {}

  template <class Use>
  void visit(Use use) const {
    if (f32_) return use(f32_);
    use(f64_);
  }

  const int64_t rows, groups;

 private:
  const float* f32_ = nullptr;
  const double* f64_ = nullptr;
};

struct Field {
  std::string name;
  std::vector<double> values;  // `per_group` numbers for each group
  int64_t per_group = 1;
  bool missing = false;   // too few numbers: shown as "NA"
  bool integral = false;  // the values are counts
};

struct Result {
  std::vector<Field> fields;
  std::vector<int64_t> count, nan;  // for each group: numbers used, NaN left out
  bool shows_count = true;
};

class Statistic {
 public:
  virtual ~Statistic() = default;

  // Throws on an empty tensor and on another number of groups than before.
  void update(const Values& values);
  // Adds what `other` has seen. Throws unless both were made with the same name and arguments.
  void merge(const Statistic& other);
  // Throws before the first update.
  Result compute() const;

 protected:
  virtual void begin(int64_t groups) = 0;  // before the first update
  virtual void add(const Values& values) = 0;
  virtual void join(const Statistic& other) = 0;  // `other` is of this very class, with the same groups
  virtual Result result() const = 0;

 private:
  friend std::unique_ptr<Statistic> make(const std::string& name, const Arguments& arguments);

  void expect_groups(int64_t groups);

  std::string name_;
  Arguments arguments_;
  int64_t groups_ = 0;  // 0: nothing seen yet
  mutable ForkMutex mutex_;
};

struct Parameter {
  std::string name;
  Argument standard;
};

struct Member {
  std::vector<Parameter> parameters;
  std::function<std::unique_ptr<Statistic>(const Arguments&)> make;
};

Registry<Member>& registry();

// Missing arguments take their standard values. Every statistic also takes `elementwise` (bool): each sample is one
// number in each group. Throws on an unknown name or argument and on a value of another type.
std::unique_ptr<Statistic> make(const std::string& name, const Arguments& arguments);

// Typed access for members; make() has checked the types.
bool flag(const Arguments& arguments, const char* name);
int64_t whole(const Arguments& arguments, const char* name);
double number(const Arguments& arguments, const char* name);
std::string word(const Arguments& arguments, const char* name);

}  // namespace chop::statistics
