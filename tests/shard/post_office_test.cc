#include "ringpost/shard/post_office.h"

#include <gtest/gtest.h>

namespace ringpost::shard {
namespace {

// What the watchdog goes by: one stuck shard is enough.
TEST(PostOffice, KnowsWhetherEveryShardTurns) {
  PostOffice post(3);
  EXPECT_FALSE(post.all_turned());
  post.note_turn(0);
  post.note_turn(1);
  post.note_turn(2);
  EXPECT_TRUE(post.all_turned());
  EXPECT_FALSE(post.all_turned()) << "since it was asked last";
  post.note_turn(0);
  post.note_turn(0);
  post.note_turn(2);
  EXPECT_FALSE(post.all_turned());
  post.note_turn(1);
  EXPECT_FALSE(post.all_turned()) << "the others have not turned since";
}

}  // namespace
}  // namespace ringpost::shard
