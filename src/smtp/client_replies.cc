// The receiving half of ClientTransactions: what each reply decides, earliest refusal first.
#include "ringpost/smtp/client_transaction.h"

namespace ringpost::smtp {

bool ClientTransactions::feed(const Reply& reply) {
  if (must_close_) {
    return false;
  }
  ++replies_;
  if (reply.code == 421) {
    on_service_closing(reply);
    return false;
  }
  if (receive_ == count_) {
    return violation("a reply to nothing", reply);
  }
  Slot& current = slot(receive_);
  const Step step = current.next_receive;
  if (step == current.content_step() && current.content_open) {
    return on_content(current, reply);
  }
  if (step >= current.next_send) {
    return violation("a reply to nothing", reply);
  }
  bool keeps = true;
  if (step == rset_step) {
    keeps = reply.positive() || violation("RSET was refused", reply);
  } else if (step == mail_step) {
    keeps = on_mail(current, reply);
  } else if (step < current.data_step()) {
    keeps = on_rcpt(current, step - first_rcpt_step, reply);
  } else {
    keeps = on_data(current, reply);
  }
  if (!keeps) {
    return false;
  }
  ++current.next_receive;
  // Refused before DATA or BDAT was handed out: nothing more of it will be sent.
  if (!current.finished && current.pointless() && current.next_receive == current.next_send &&
      current.next_send <= current.data_step() && !current.content_open) {
    reset_needed_ = true;
    finish(current);
  }
  return true;
}

bool ClientTransactions::on_mail(Slot& slot, const Reply& reply) {
  slot.result.mail_answered = true;
  reused_ = false;
  if (reply.severity() == 3) {
    return violation("an unexpected reply to MAIL", reply);
  }
  if (reply.refused()) {
    slot.mail_refused = true;
    decide_rest(slot, {Verdict::refused, Stage::mail, slot.result.keep(reply)});
  }
  return true;
}

bool ClientTransactions::on_rcpt(Slot& slot, std::size_t recipient, const Reply& reply) {
  if (reply.severity() == 3) {
    return violation("an unexpected reply to RCPT", reply);
  }
  RecipientVerdict& verdict = slot.result.recipients[recipient];
  if (reply.positive()) {
    if (slot.mail_refused) {  // whose sender would the message get?
      return violation("RCPT was accepted after MAIL was refused", reply);
    }
    verdict.verdict = Verdict::accepted;
    ++slot.accepted;
    return true;
  }
  if (slot.mail_refused) {
    return true;  // follows from the refusal of MAIL, which decided
  }
  // RFC 5321 section 4.5.3.1.10. A bare 452 may mean a full disk as well; either way the others
  // were accepted and this one can only come later.
  const bool full = (reply.code == 452 || reply.code == 552) && reply.status.subject == 5 &&
                    reply.status.detail == 3;
  const bool bare = reply.code == 452 && !reply.status.known();
  const bool too_many = slot.accepted > 0 && (full || bare);
  verdict = {too_many ? Verdict::too_many : Verdict::refused, Stage::rcpt, slot.result.keep(reply)};
  return true;
}

bool ClientTransactions::on_data(Slot& slot, const Reply& reply) {
  if (reply.positive()) {
    return violation("DATA was answered as if it were done", reply);
  }
  if (reply.severity() == 3) {
    slot.content_open = true;
    // The server may think that the lone dot ended a transaction, or that it is still in one.
    reset_needed_ = slot.accepted == 0;
    return true;
  }
  if (slot.accepted > 0) {
    decide_rest(slot, {Verdict::refused, Stage::data, slot.result.keep(reply)});
  }
  reset_needed_ = true;
  finish(slot);
  return true;
}

bool ClientTransactions::on_content(Slot& slot, const Reply& reply) {
  const bool complete = slot.terminator_end != 0;
  if (reply.severity() == 3) {
    return violation("an unexpected reply to the content", reply);
  }
  if (complete) {
    if (slot.accepted > 0 && reply.positive()) {
      slot.result.content_accepted = true;
      decide_rest(slot, {Verdict::delivered, Stage::final_dot, slot.result.keep(reply)});
    } else if (slot.accepted > 0) {
      decide_rest(slot, {Verdict::refused, Stage::final_dot, slot.result.keep(reply)});
    }
    reset_needed_ = reset_needed_ || (slot.chunk && !reply.positive());
    finish(slot);
    return true;
  }
  // Some servers refuse large content in the middle, or right behind their 354. The rest cannot be
  // left out without ending the data, so the connection ends instead.
  if (reply.positive()) {
    return violation("a reply before the end of the content", reply);
  }
  decide_rest(slot, {Verdict::refused, Stage::content, slot.result.keep(reply)});
  finish(slot);
  abandon("content was refused before its end", nullptr);
  return false;
}

// 421 at any stage: what stands before it was answered, what stands behind it was refused.
void ClientTransactions::on_service_closing(const Reply& reply) {
  if (receive_ < count_) {
    Slot& current = slot(receive_);
    const Step step = current.next_receive;
    const std::uint16_t kept = current.result.keep(reply);
    const Stage stage = current.stage_of(step);
    const bool asked = step < current.next_send || current.content_open;
    if (asked && step == mail_step) {
      current.result.mail_answered = !reused_;  // or it is the farewell of an idle connection
    }
    if (asked && (stage == Stage::data || step == current.content_step())) {
      decide_rest(current, {Verdict::refused, current_stage(current), kept});
    } else if (asked && stage == Stage::rcpt && !current.mail_refused) {
      current.result.recipients[step - first_rcpt_step] = {Verdict::refused, stage, kept};
    }
    decide_rest(current, {Verdict::not_tried, stage, kept});
    finish(current);
    while (receive_ < count_) {
      Slot& behind = slot(receive_);
      decide_rest(behind, {Verdict::not_tried, Stage::mail, behind.result.keep(reply)});
      finish(behind);
    }
  }
  must_close_ = true;
  close_reason_ = one_line(reply);
}

}  // namespace ringpost::smtp
