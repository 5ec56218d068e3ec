// The coroutine miscompilations of g++ 12, each in the form that breaks and in the canonical form
// of docs/STYLE.md. The canonical form must work everywhere. The broken form must be broken in g++
// 12, so that a fixed compiler announces itself and the rule can be looked at again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "task.h"

namespace ringpost::compiler {
namespace {

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12
constexpr bool broken_here = true;
#else
constexpr bool broken_here = false;
#endif

Task<bool> answer(bool value) {
  co_return value;
}

Task<int> count(int value) {
  co_return value;
}

Task<Owned> make(Ledger& ledger) {
  co_return Owned(ledger);
}

// 1. An await in the condition of an if, with a body that declares nothing.
Task<int> condition_broken(Ledger& ledger) {
  if (co_await answer(true)) {
    ledger.ran = true;
  }
  co_return 0;
}
Task<int> condition(Ledger& ledger) {
  const bool yes = co_await answer(true);
  if (yes) {
    ledger.ran = true;
  }
  co_return 0;
}

Task<int> switch_broken(Ledger& ledger) {
  switch (co_await count(3)) {
    case 3:
      ledger.ran = true;
      break;
    default:
      break;
  }
  co_return 0;
}
Task<int> switch_on(Ledger& ledger) {
  const int value = co_await count(3);
  switch (value) {
    case 3:
      ledger.ran = true;
      break;
    default:
      break;
  }
  co_return 0;
}

// 2. An await behind && in the condition of a loop.
Task<bool> stray(Ledger& ledger) {
  ledger.stray = true;
  co_return true;
}
Task<int> loop_broken(Ledger& ledger) {
  bool more = false;
  while (more && co_await stray(ledger)) {
    more = false;
  }
  ledger.ran = true;
  co_return 0;
}
Task<int> loop(Ledger& ledger) {
  bool more = false;
  while (more) {
    more = co_await stray(ledger);
  }
  ledger.ran = true;
  co_return 0;
}

// 3. A lambda that owns something, made inside the await.
template <class Function>
Task<int> call(Function function) {
  function();
  co_return 0;
}
Task<int> lambda_broken(Ledger& ledger) {
  Owned owned(ledger);
  co_await call([owned = std::move(owned), &ledger] { ledger.ran = true; });
  co_return 0;
}
Task<int> lambda(Ledger& ledger) {
  Owned owned(ledger);
  auto function = [owned = std::move(owned), &ledger] { ledger.ran = true; };
  co_await call(std::move(function));
  co_return 0;
}

// 4. An aggregate that owns something, made inside the await.
struct Options {
  Owned first;
  Owned second;
};
Task<int> take(Options options, Ledger& ledger) {
  const Options kept = std::move(options);
  ledger.ran = true;
  co_return 0;
}
Task<int> aggregate_broken(Ledger& ledger) {
  co_await take({Owned(ledger), Owned(ledger)}, ledger);
  co_return 0;
}
Task<int> aggregate(Ledger& ledger) {
  Options options{Owned(ledger), Owned(ledger)};
  co_await take(std::move(options), ledger);
  co_return 0;
}

// 5. An awaiter without a constructor.
struct BareAwaiter {
  Owned owned;
  Ledger& ledger;

  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  void await_resume() { ledger.ran = true; }
};
struct BuiltAwaiter : BareAwaiter {
  BuiltAwaiter(Owned taken, Ledger& counted) : BareAwaiter{std::move(taken), counted} {}
};
Task<int> awaiter_broken(Ledger& ledger) {
  co_await BareAwaiter{Owned(ledger), ledger};
  co_return 0;
}
Task<int> awaiter(Ledger& ledger) {
  co_await BuiltAwaiter(Owned(ledger), ledger);
  co_return 0;
}

Task<Owned> take_over(Owned owned) {
  co_return owned;
}

// 6. An await in ?: and in an initialiser list.
Task<int> conditional_broken(Ledger& ledger) {
  const bool other = ledger.ran;
  const Owned owned = other ? co_await take_over(Owned(ledger)) : Owned(ledger);
  ledger.ran = true;
  co_return 0;
}
Task<int> conditional(Ledger& ledger) {
  const bool other = ledger.ran;
  std::optional<Owned> owned;
  if (other) {
    owned = co_await take_over(Owned(ledger));
  } else {
    owned.emplace(ledger);
  }
  ledger.ran = true;
  co_return 0;
}
Task<int> initialiser_broken(Ledger& ledger) {
  const Options options{.first = Owned(ledger), .second = co_await make(ledger)};
  ledger.ran = true;
  co_return 0;
}
Task<int> initialiser(Ledger& ledger) {
  Owned second = co_await make(ledger);
  const Options options{.first = Owned(ledger), .second = std::move(second)};
  ledger.ran = true;
  co_return 0;
}

struct Row {
  std::string name;
  Task<int> (*broken)(Ledger&);
  Task<int> (*canonical)(Ledger&);
};

class Coroutine : public testing::TestWithParam<Row> {};

bool runs_right(Task<int> (*form)(Ledger&)) {
  Ledger ledger;
  {
    Task<int> task = form(ledger);
    task.run();
  }
  return ledger.right();
}

// In a process of its own: what g++ makes of some forms is no program at all.
bool runs_right_apart(Task<int> (*form)(Ledger&)) {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    _exit(runs_right(form) ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_P(Coroutine, CanonicalFormWorks) {
  EXPECT_TRUE(runs_right(GetParam().canonical));
}

TEST_P(Coroutine, OtherFormIsStillBrokenInThisCompilerOnly) {
  EXPECT_EQ(runs_right_apart(GetParam().broken), !broken_here)
      << "this compiler treats the form differently than docs/STYLE.md says";
}

INSTANTIATE_TEST_SUITE_P(Compiler, Coroutine,
                         testing::Values(Row{"if_condition", condition_broken, condition},
                                         Row{"switch_condition", switch_broken, switch_on},
                                         Row{"loop_condition", loop_broken, loop},
                                         Row{"lambda_argument", lambda_broken, lambda},
                                         Row{"aggregate_argument", aggregate_broken, aggregate},
                                         Row{"aggregate_awaiter", awaiter_broken, awaiter},
                                         Row{"conditional_operator", conditional_broken,
                                             conditional},
                                         Row{"initialiser_list", initialiser_broken, initialiser}),
                         [](const testing::TestParamInfo<Row>& info) { return info.param.name; });

}  // namespace
}  // namespace ringpost::compiler
