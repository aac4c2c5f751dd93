// Agrawal et al., "Database mining: a performance perspective", as river 0.26.1 has it.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "drift/streams/python_random.h"
#include "tests/worlds/generators.h"

namespace rekindle::worlds {
namespace {

struct Person {
  double salary, commission;
  int age, elevel, car, zipcode;
  double hvalue;
  int hyears;
  double loan;
};

bool within(double x, double low, double high) {
  return low <= x && x <= high;
}

// What differs by age alone: the bounds of `x` for the young, the middle-aged and the old.
bool by_age(const Person& p, double x, double young, double middle, double old) {
  const double low = p.age < 40 ? young : p.age < 60 ? middle : old;
  return within(x, low, low + 50'000);
}

bool schooled(const Person& p) {
  if (p.age < 40) return p.elevel == 0 || p.elevel == 1;
  if (p.age < 60) return within(p.elevel, 1, 3);
  return within(p.elevel, 2, 4);
}

bool third(const Person& p) {
  const bool low = p.age < 40 ? schooled(p) : p.age >= 60 && !schooled(p);
  if (low) return within(p.salary, 25'000, 75'000);
  const bool high = p.age >= 40 && p.age < 60 && !schooled(p);
  return high ? within(p.salary, 75'000, 125'000) : within(p.salary, 50'000, 100'000);
}

// Some of its bounds are of the salary where the paper's are of the loan: so it is in river.
bool fourth(const Person& p) {
  if (p.age < 40)
    return within(p.salary, 50'000, 100'000) ? within(p.loan, 100'000, 300'000)
                                             : within(p.salary, 200'000, 400'000);
  if (p.age < 60)
    return within(p.salary, 75'000, 125'000) ? 200'000 <= p.salary && p.loan <= 400'000
                                             : within(p.salary, 300'000, 500'000);
  return within(p.salary, 25'000, 75'000) ? within(p.loan, 300'000, 500'000)
                                          : within(p.loan, 75'000, 300'000);
}

bool label(int function, const Person& p) {
  const double income = 2 * (p.salary + p.commission) / 3;
  switch (function) {
    case 0:
      return p.age < 40 || 60 <= p.age;
    case 1:
      return by_age(p, p.salary, 50'000, 75'000, 25'000);
    case 2:
      return schooled(p);
    case 3:
      return third(p);
    case 4:
      return fourth(p);
    case 5:
      return by_age(p, p.salary + p.commission, 50'000, 75'000, 25'000);
    case 6:
      return !(income - p.loan / 5 - 20'000 > 1);
    case 7:
      return !(income - 5'000 * p.elevel - 20'000 > 1);
    case 8:
      return !(income - 5'000 * p.elevel - p.loan / 5 - 10'000 > 1);
    default: {
      const double equity = p.hyears >= 20 ? p.hvalue * (p.hyears - 20) / 10 : 0;
      return !(income - 5'000 * p.elevel + equity / 5 - 10'000 > 1);
    }
  }
}

class Agrawal {
 public:
  Agrawal(uint32_t seed, int function, double perturbation)
      : random_(seed), function_(function), perturbation_(perturbation) {}

  Row operator()() {
    Person p = person();
    const bool yes = label(function_, p);
    if (perturbation_ > 0) shake(p);
    return {{p.salary, p.commission, static_cast<double>(p.age), static_cast<double>(p.elevel),
             static_cast<double>(p.car), static_cast<double>(p.zipcode), p.hvalue,
             static_cast<double>(p.hyears), p.loan},
            yes};
  }

 private:
  int between(int low, int high) {
    return low + static_cast<int>(random_.below(static_cast<uint32_t>(high - low + 1)));
  }

  Person person() {
    Person p;
    p.salary = 20'000 + 130'000 * random_.uniform();
    p.commission = p.salary >= 75'000 ? 0 : 10'000 + 75'000 * random_.uniform();
    p.age = between(20, 80);
    p.elevel = between(0, 4);
    p.car = between(1, 20);
    p.zipcode = between(0, 8);
    p.hvalue = (8 - p.zipcode) * 100'000 * (0.5 + random_.uniform());
    p.hyears = between(1, 30);
    p.loan = random_.uniform() * 500'000;
    return p;
  }

  double shaken(double value, double low, double high, double range) {
    value += range * (2 * (random_.uniform() - 0.5)) * perturbation_;
    return std::clamp(value, low, high);
  }

  // river's upper bound of hvalue is 0: what is not below the lower one becomes 0.
  void shake(Person& p) {
    p.salary = shaken(p.salary, 20'000, 150'000, 130'000);
    if (p.commission > 0) p.commission = shaken(p.commission, 10'000, 75'000, 65'000);
    p.age = static_cast<int>(std::nearbyint(shaken(p.age, 20, 80, 60)));
    const double least = (9 - p.zipcode) * 100'000;
    const double moved = p.hvalue + 135'000 * (2 * (random_.uniform() - 0.5)) * perturbation_;
    p.hvalue = moved < least ? least : moved > 0 ? 0 : moved;
    p.hyears = static_cast<int>(std::nearbyint(shaken(p.hyears, 1, 30, 29)));
    p.loan = shaken(p.loan, 0, 500'000, 500'000);
  }

  drift::PythonRandom random_;
  int function_;
  double perturbation_;
};

}  // namespace

Stream agrawal(uint32_t seed, int function, double perturbation) {
  CHECK(function >= 0 && function < 10, "ten functions");
  return Agrawal(seed, function, perturbation);
}

}  // namespace rekindle::worlds
