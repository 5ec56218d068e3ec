// A doubly linked list whose links live in its elements: no allocation, O(1) removal from the
// middle, deterministic order. An element derives from ListHook<Tag> once for each list that it
// can be on. The list owns nothing; a hook that is destroyed while linked removes itself.
#pragma once

#include <cstddef>

#include "ringpost/base/check.h"

namespace ringpost {

template <class Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  [[nodiscard]] bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!linked()) {
      return;
    }
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T, class OtherTag>
  friend class IntrusiveList;

  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

template <class T, class Tag>
class IntrusiveList {
  using Hook = ListHook<Tag>;

 public:
  IntrusiveList() { reset(); }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) {
      root_.next_->unlink();
    }
    root_.next_ = root_.previous_ = nullptr;  // so that the root's own hook does not unlink
  }

  [[nodiscard]] bool empty() const { return root_.next_ == &root_; }

  void push_back(T& element) { insert(element, *root_.previous_, root_); }
  void push_front(T& element) { insert(element, root_, *root_.next_); }

  [[nodiscard]] T& front() {
    check(!empty(), "front() of an empty list");
    return from(*root_.next_);
  }
  [[nodiscard]] T& back() {
    check(!empty(), "back() of an empty list");
    return from(*root_.previous_);
  }
  T& pop_front() {
    T& element = front();
    hook(element).unlink();
    return element;
  }
  void remove(T& element) { hook(element).unlink(); }
  void move_to_back(T& element) {
    hook(element).unlink();
    push_back(element);
  }

  class Iterator {
   public:
    explicit Iterator(Hook* at) : at_(at) {}
    T& operator*() const { return from(*at_); }
    T* operator->() const { return &from(*at_); }
    Iterator& operator++() {
      at_ = at_->next_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    Hook* at_;
  };
  Iterator begin() { return Iterator(root_.next_); }
  Iterator end() { return Iterator(&root_); }

 private:
  static Hook& hook(T& element) { return static_cast<Hook&>(element); }
  static T& from(Hook& hook) { return static_cast<T&>(hook); }

  void insert(T& element, Hook& before, Hook& after) {
    Hook& added = hook(element);
    check(!added.linked(), "element is already on a list of this kind");
    added.previous_ = &before;
    added.next_ = &after;
    before.next_ = &added;
    after.previous_ = &added;
  }
  void reset() { root_.next_ = root_.previous_ = &root_; }

  Hook root_;
};

}  // namespace ringpost
