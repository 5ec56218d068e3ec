// Order is kept, removal works from anywhere, and no link dangles when an element or a list dies.
#include "ringpost/base/intrusive_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

namespace ringpost {
namespace {

struct First {};
struct Second {};

struct Element : ListHook<First>, ListHook<Second> {
  explicit Element(int number) : value(number) {}
  int value;
};

using FirstList = IntrusiveList<Element, First>;
using SecondList = IntrusiveList<Element, Second>;

template <class List>
std::vector<int> values(List& list) {
  std::vector<int> found;
  for (const Element& element : list) {
    found.push_back(element.value);
  }
  return found;
}

TEST(IntrusiveList, KeepsOrder) {
  Element a(1), b(2), c(3);
  FirstList list;
  EXPECT_TRUE(list.empty());
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  EXPECT_EQ(values(list), (std::vector{1, 2, 3}));
  EXPECT_EQ(&list.front(), &a);
  list.move_to_back(a);
  EXPECT_EQ(values(list), (std::vector{2, 3, 1}));
  EXPECT_EQ(&list.pop_front(), &b);
  EXPECT_EQ(values(list), (std::vector{3, 1}));
}

TEST(IntrusiveList, RemovesFromAnywhereAndTakesBack) {
  Element a(1), b(2), c(3);
  FirstList list;
  for (Element* element : {&a, &b, &c}) {
    list.push_back(*element);
  }
  list.remove(b);
  EXPECT_EQ(values(list), (std::vector{1, 3}));
  EXPECT_FALSE(static_cast<ListHook<First>&>(b).linked());
  list.remove(b);  // not linked: nothing happens
  list.remove(c);
  list.remove(a);
  EXPECT_TRUE(list.empty());
  list.push_back(b);
  EXPECT_EQ(values(list), (std::vector{2}));
}

TEST(IntrusiveList, AnElementIsOnListsOfSeveralKinds) {
  Element a(1), b(2);
  FirstList first;
  SecondList second;
  first.push_back(a);
  first.push_back(b);
  second.push_back(b);
  second.push_back(a);
  first.remove(a);
  EXPECT_EQ(values(first), (std::vector{2}));
  EXPECT_EQ(values(second), (std::vector{2, 1}));
}

TEST(IntrusiveList, ADyingElementLeavesItsLists) {
  Element a(1), c(3);
  FirstList first;
  SecondList second;
  first.push_back(a);
  {
    Element b(2);
    first.push_back(b);
    first.push_back(c);
    second.push_back(b);
  }
  EXPECT_EQ(values(first), (std::vector{1, 3}));
  EXPECT_TRUE(second.empty());
}

TEST(IntrusiveList, ADyingListReleasesItsElements) {
  Element a(1), b(2);
  {
    FirstList list;
    list.push_back(a);
    list.push_back(b);
  }
  EXPECT_FALSE(static_cast<ListHook<First>&>(a).linked());
  FirstList other;
  other.push_back(a);
  other.push_back(b);
  EXPECT_EQ(values(other), (std::vector{1, 2}));
}

TEST(IntrusiveListDeathTest, MisuseIsCaught) {
  Element a(1);
  FirstList list, other;
  EXPECT_DEATH((void)list.front(), "empty list");
  EXPECT_DEATH(list.pop_front(), "empty list");
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "already on a list");
  EXPECT_DEATH(other.push_back(a), "already on a list");
}

}  // namespace
}  // namespace ringpost
