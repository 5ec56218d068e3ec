// Text for a terminal: aligned columns, and cells that cannot move the cursor. Used by whatever
// shows an answer to a person.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringpost::tool {

// Control characters and bytes that are no UTF-8 become '?': a remote server's reply must not be
// able to write to the operator's terminal.
[[nodiscard]] std::string printable(std::string_view text);

class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // A line for the titles and one for each row, two spaces between columns, none at line ends.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ringpost::tool
