#include "chop/statistics/statistic.h"

namespace chop::statistics {
namespace {

// A whole number stands for a real one, nothing else is converted.
Argument converted(const std::string& where, const Parameter& parameter, const Argument& value) {
  static const char* const kinds[] = {"true or false", "a whole number", "a number", "a word"};
  if (std::holds_alternative<double>(parameter.standard) && std::holds_alternative<int64_t>(value))
    return static_cast<double>(std::get<int64_t>(value));
  check(value.index() == parameter.standard.index(), where, ": ", parameter.name, " must be ",
        kinds[parameter.standard.index()]);
  return value;
}

Arguments completed(const std::string& name, std::vector<Parameter> parameters, const Arguments& given) {
  parameters.push_back({"elementwise", false});
  Arguments result;
  std::string known;
  for (const Parameter& parameter : parameters) {
    const auto found = given.find(parameter.name);
    result[parameter.name] = found == given.end() ? parameter.standard : converted(name, parameter, found->second);
    known += (known.empty() ? "" : ", ") + parameter.name;
  }
  for (const auto& entry : given)
    check(result.count(entry.first) == 1, name, ": argument '", entry.first, "' is not known; known: ", known);
  return result;
}

}  // namespace

void Statistic::expect_groups(int64_t groups) {
  if (groups_ == 0) {
    begin(groups);
    groups_ = groups;
  }
  check(groups == groups_, name_, ": every tensor must give ", groups_, " groups, got ", groups);
}

void Statistic::update(const Values& values) {
  check(values.rows > 0 && values.groups > 0, name_, ": an empty tensor has no statistics");
  const std::lock_guard lock(mutex_);
  expect_groups(values.groups);
  add(values);
}

void Statistic::merge(const Statistic& other) {
  check(&other != this, name_, ": cannot be merged with itself");
  check(name_ == other.name_ && arguments_ == other.arguments_, name_,
        ": can only be merged with a statistic of the same name and arguments");
  const std::scoped_lock lock(mutex_, other.mutex_);
  if (other.groups_ == 0) return;
  expect_groups(other.groups_);
  join(other);
}

Result Statistic::compute() const {
  const std::lock_guard lock(mutex_);
  check(groups_ > 0, name_, ": no sample was given yet");
  return result();
}

std::unique_ptr<Statistic> make(const std::string& name, const Arguments& arguments) {
  const Member& member = registry().get(name);
  const Arguments complete = completed(name, member.parameters, arguments);
  std::unique_ptr<Statistic> made = member.make(complete);
  made->name_ = name;
  made->arguments_ = complete;
  return made;
}

Registry<Member>& registry() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static auto& instance = *new Registry<Member>("statistic");
  return instance;
}

bool flag(const Arguments& arguments, const char* name) { return std::get<bool>(arguments.at(name)); }
int64_t whole(const Arguments& arguments, const char* name) { return std::get<int64_t>(arguments.at(name)); }
double number(const Arguments& arguments, const char* name) { return std::get<double>(arguments.at(name)); }
std::string word(const Arguments& arguments, const char* name) { return std::get<std::string>(arguments.at(name)); }

}  // namespace chop::statistics
