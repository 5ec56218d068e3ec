#include "command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "trace.h"

namespace ringpost::tool {
namespace {

constexpr const char* default_socket = "/var/spool/ringpost/control.socket";
constexpr int bad_usage = 2;

// All of the tool's options; CLI11 writes into it while it parses.
class CommandLine {
 public:
  CommandLine() {
    app_.name("ringpost");
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "ringpost " RINGPOST_VERSION);
    app_.add_option("--socket", invocation_.socket, "The daemon's control socket")
        ->envname("RINGPOST_SOCKET")
        ->capture_default_str();
    app_.add_flag("--json", invocation_.json, "One JSON object on one line of standard output");
    app_.footer(
        "Examples:\n"
        "  ringpost status\n"
        "  ringpost queue --group bulk --limit 20\n"
        "  ringpost explain someone@example.com\n"
        "  ringpost hold --destination mx.example.com\n"
        "  ringpost delete --job spring-sale --dry-run\n"
        "  ringpost --socket ./spool/control.socket group list --json\n\n"
        "Exit codes: 0 done; 1 refused, failed or not found; 2 bad usage; 3 no daemon.\n"
        "'ringpost COMMAND --help' shows more.");
    add_status();
    add_queue();
    add_group();
    add_explain();
    add_show();
    add_orders();
    add_events();
    add_trace();
  }

  std::expected<Invocation, Instead> parse(std::vector<std::string> arguments) {
    const bool json = std::ranges::find(arguments, "--json") != arguments.end();
    std::ranges::reverse(arguments);  // as CLI11 wants it
    // CLI11 reports by exception, --help included.
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      std::ostringstream output;
      std::ostringstream discarded;
      const bool good = app_.exit(error, output, discarded) == 0;
      const std::vector<std::string> extra = app_.remaining(true);
      const bool unknown = error.get_name() == "RequiredError" && !extra.empty();
      const std::string why = unknown ? "unknown command '" + extra[0] + "'" : error.what();
      return std::unexpected(good ? Instead{0, output.str(), "", json}
                                  : Instead{bad_usage, "", why, json});
    }
    invocation_.command = command();
    invocation_.trace = trace_->parsed();
    if (events_->parsed()) {
      invocation_.events = event_options_;
    }
    return std::move(invocation_);
  }

 private:
  CLI::App* add(CLI::App& parent, const char* name, const char* description, const char* examples) {
    CLI::App* command = parent.add_subcommand(name, description);
    command->fallthrough();  // --socket and --json may stand anywhere
    command->footer(std::string("Examples:\n") + examples);
    return command;
  }

  void add_status() {
    status_ = add(app_, "status", "Counters of every shard",
                  "  ringpost status\n"
                  "  ringpost status --json | jq .totals.delivered_total");
  }

  void add_queue() {
    queue_ = add(app_, "queue", "Destinations that have mail, and what keeps it",
                 "  ringpost queue\n"
                 "  ringpost queue --group bulk --limit 20\n"
                 "  ringpost queue --destination google --json");
    queue_->add_option("--group", queue_command_.group, "Only this queue group");
    queue_->add_option("--destination", queue_command_.destination, "Only this destination");
    queue_->add_option("--limit", queue_command_.limit, "At most so many lines")
        ->check(CLI::Range(1U, control::QueueCommand::highest_limit))
        ->capture_default_str();
  }

  void add_group() {
    CLI::App* group = add(app_, "group", "Queue groups", "  ringpost group list");
    group->require_subcommand(1);
    group_list_ = add(*group, "list", "All queue groups, their shards and runners",
                      "  ringpost group list\n"
                      "  ringpost group list --json | jq '.groups[] | select(.held > 0)'");
    group_show_ = add(*group, "show", "One queue group, and what a crash may cost it",
                      "  ringpost group show bulk");
    group_show_->add_option("name", group_command_.group, "The group's name")->required();
  }

  void add_explain() {
    explain_ = add(app_, "explain", "Where mail for an address goes, and what holds it up",
                   "  ringpost explain someone@example.com\n"
                   "  ringpost explain example.com --json");
    explain_->add_option("ADDRESS", explain_command_.address, "An address, or a domain")
        ->required();
  }

  void add_show() {
    show_ = add(app_, "show", "One message and the state of its recipients",
                "  ringpost show 0M3K8Q2T00001\n"
                "  (ids stand in the event log and in the reply to the final dot)");
    show_->add_option("ID", show_command_.id, "The message's id")->required();
  }

  CLI::App* add_order(control::ChangeCommand::What what, const char* description,
                      const char* examples) {
    const std::string name(control::name_of(what));
    CLI::App* order = add(app_, name.c_str(), description, examples);
    order->callback([this, what] { order_.what = what; });
    orders_.push_back(order);
    return order;
  }

  void add_selectors(CLI::App& order, bool job) {
    order.add_option("--group", order_.selector.group, "Of this queue group");
    order.add_option("--destination", order_.selector.destination,
                     "To this destination, as `ringpost queue` names it");
    if (job) {
      order.add_option("--job", order_.selector.job, "Of this job");
    }
  }

  void add_orders() {
    CLI::App* flush = add_order(control::ChangeCommand::What::flush,
                                "Try again now: what is deferred, and servers believed to be down",
                                "  ringpost flush\n"
                                "  ringpost flush --group bulk\n"
                                "  ringpost flush --destination mx.example.com\n"
                                "Without options: everything. Limits and holds stay as they are.");
    add_selectors(*flush, false);
    CLI::App* hold = add_order(
        control::ChangeCommand::What::hold,
        "Keep mail of a group, a destination or a job; it is still accepted",
        "  ringpost hold --group bulk\n"
        "  ringpost hold --destination mx.example.com\n"
        "  ringpost hold --job spring-sale\n"
        "What is being sent is not stopped. Holds outlive a restart; `ringpost holds` lists them.");
    add_selectors(*hold, true);
    CLI::App* release = add_order(control::ChangeCommand::What::release, "End a hold",
                                  "  ringpost release --group bulk\n"
                                  "  ringpost release --job spring-sale");
    add_selectors(*release, true);
    CLI::App* erase = add_order(
        control::ChangeCommand::What::erase, "Delete recipients from the queue for good",
        "  ringpost delete 0001o3g2s0000\n"
        "  ringpost delete --job spring-sale --dry-run\n"
        "  ringpost delete --sender news@example.com --destination mx.example.com\n"
        "What fits all that is given goes; nobody gets a report. Recipients that are being sent\n"
        "are counted and left alone.");
    erase->add_option("ID", order_.selector.id, "Of this message");
    erase->add_option("--id", order_.selector.id, "The same");
    add_selectors(*erase, true);
    erase->add_option("--sender", order_.selector.sender, "From this address; '<>' for reports");
    erase->add_flag("--dry-run", order_.dry_run, "Only say what would go");
    CLI::App* requeue =
        add_order(control::ChangeCommand::What::requeue,
                  "File a message anew: group and route are looked up again, and it is due at once",
                  "  ringpost requeue 0001o3g2s0000");
    requeue->add_option("ID", order_.selector.id, "The message's id")->required();
    reload_ =
        add(app_, "reload", "Read the configuration and the suppression list again, as HUP does",
            "  ringpost reload\n"
            "A file with a mistake changes nothing, and the answer says where it is.");
    holds_ = add(app_, "holds", "What is held by order", "  ringpost holds --json");
  }

  void add_events() {
    EventFilter& filter = event_options_.filter;
    events_ = add(app_, "events", "Lines of the event log, as they are or as they come",
                  "  ringpost events --id 0001o3g2s0000\n"
                  "  ringpost events --follow --event bounced --event expired\n"
                  "  ringpost events --follow --job spring-sale --destination mx.example.com\n"
                  "  ringpost events --recipient @example.com | jq .reply\n"
                  "Every line is a JSON object. --follow goes on when the log is rotated.");
    events_->add_flag("--follow", event_options_.follow, "Wait for more, until interrupted");
    events_->add_flag("--from-start", event_options_.from_start,
                      "With --follow: begin with what is there");
    events_->add_option("--log", event_options_.log, "The file; default: what the daemon writes");
    events_->add_option("--event", filter.events, "delivered, bounced, …; may be repeated")
        ->allow_extra_args(false);
    events_->add_option("--id", filter.id, "Of this message");
    events_->add_option("--group", filter.group, "Of this queue group");
    events_->add_option("--destination", filter.destination, "To this destination");
    events_->add_option("--job", filter.job, "Of this job");
    events_->add_option("--recipient", filter.recipient, "This address, or @domain");
  }

  void add_trace() {
    trace_ = add(app_, "trace", "The SMTP dialogue with a destination, as it happens",
                 "  ringpost trace google\n"
                 "  ringpost trace mx.example.com --json | jq -r .text\n"
                 "Until interrupted. Contents are not shown, only their sizes. Destinations are\n"
                 "those of 'ringpost queue'; 'ringpost explain ADDRESS' names an address's.");
    trace_->add_option("DESTINATION", trace_command_.destination, "As `ringpost queue` names it")
        ->required();
  }

  [[nodiscard]] control::Command command() const {
    if (trace_->parsed()) {
      control::TraceCommand trace = trace_command_;
      trace.follower = follower_name();
      return trace;
    }
    if (std::ranges::any_of(orders_, [](const CLI::App* order) { return order->parsed(); })) {
      return order_;
    }
    if (reload_->parsed()) {
      return control::ReloadCommand{};
    }
    if (holds_->parsed()) {
      return control::HoldsCommand{};
    }
    if (queue_->parsed()) {
      return queue_command_;
    }
    if (group_list_->parsed() || group_show_->parsed()) {
      return group_command_;
    }
    if (explain_->parsed()) {
      return explain_command_;
    }
    if (show_->parsed()) {
      return show_command_;
    }
    return control::StatusCommand{};
  }

  CLI::App app_{"Looks into a running ringpostd, and gives it orders."};
  Invocation invocation_{.socket = default_socket, .json = false, .command = {}};
  control::QueueCommand queue_command_;
  control::GroupListCommand group_command_;
  control::ExplainCommand explain_command_;
  control::ShowCommand show_command_;
  control::TraceCommand trace_command_;
  control::ChangeCommand order_;
  std::vector<CLI::App*> orders_;
  EventOptions event_options_;
  CLI::App* events_ = nullptr;
  CLI::App* trace_ = nullptr;
  CLI::App* holds_ = nullptr;
  CLI::App* reload_ = nullptr;
  CLI::App* status_ = nullptr;
  CLI::App* queue_ = nullptr;
  CLI::App* group_list_ = nullptr;
  CLI::App* group_show_ = nullptr;
  CLI::App* explain_ = nullptr;
  CLI::App* show_ = nullptr;
};

}  // namespace

std::expected<Invocation, Instead> parse_command_line(const std::vector<std::string>& arguments) {
  return CommandLine().parse(arguments);
}

}  // namespace ringpost::tool
