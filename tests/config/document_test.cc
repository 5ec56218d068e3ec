// docs/OPERATING.md documents exactly the keys that the loader knows, with their types and
// defaults.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "loading.h"
#include "ringpost/config/keys.h"

namespace ringpost::config {
namespace {

std::string document() {
  std::ifstream file(RINGPOST_SOURCE_ROOT "/docs/OPERATING.md");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string without_quotes(std::string cell) {
  const std::size_t begin = cell.find_first_not_of(' ');
  const std::size_t end = cell.find_last_not_of(' ');
  cell = begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1);
  if (cell.size() > 1 && cell.front() == '`' && cell.back() == '`') {
    cell = cell.substr(1, cell.size() - 2);
  }
  return cell == "–" ? "" : cell;
}

// The rows of the tables whose first column is a key, without their last column.
std::vector<std::string> documented_keys(const std::string& text) {
  std::vector<std::string> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells;
    std::istringstream columns(line);
    for (std::string cell; std::getline(columns, cell, '|');) {
      cells.push_back(without_quotes(cell));
    }
    if (cells.size() == 6 && cells[1].find('.') != std::string::npos) {
      EXPECT_FALSE(cells[5].empty()) << "no meaning: " << line;
      rows.push_back(cells[1] + " | " + cells[2] + " | " + cells[3] + " | " + cells[4]);
    }
  }
  return rows;
}

TEST(OperatingManual, ListsEveryKeyWithTypeUnitAndDefault) {
  std::vector<std::string> expected;
  for (const KeyText& key : all_keys()) {
    expected.push_back(std::string(key.name) + " | " + std::string(key.type) + " | " +
                       std::string(key.unit) + " | " + std::string(key.default_value));
  }
  std::vector<std::string> documented = documented_keys(document());
  std::ranges::sort(expected);
  std::ranges::sort(documented);
  EXPECT_EQ(documented, expected);
}

TEST(OperatingManual, ListsEveryKeyThatIsNotSupportedYet) {
  const std::string text = document();
  const std::string list = text.substr(text.find("### Not supported in this version"));
  std::size_t listed = 0;
  for (std::size_t at = list.find('`'); at != std::string::npos; at = list.find('`', at + 1)) {
    ++listed;
  }
  EXPECT_EQ(listed, 2 * unsupported_keys().size());
  for (const std::string_view key : unsupported_keys()) {
    EXPECT_NE(list.find("`" + std::string(key) + "`"), std::string::npos) << key;
  }
}

// The examples are taken for good by those who copy them.
TEST(OperatingManual, ItsExampleLoads) {
  const std::string text = document();
  std::string example;
  std::istringstream lines(text.substr(text.find("### `[[queue_group]]`")));
  for (std::string line; std::getline(lines, line) && !line.starts_with("### `[[route]]`");) {
    if (line.starts_with("    ")) {
      example += line.substr(4) + "\n";
    }
  }
  EXPECT_EQ(errors(example), "ok\n");
  EXPECT_EQ(loaded(example).config.queue_groups.size(), 2U);
}

}  // namespace
}  // namespace ringpost::config
