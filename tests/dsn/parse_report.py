"""Reads our reports with Python's email package and compares what it finds."""
import email
import email.policy
import subprocess
import sys


def equal(found, expected):
    if found != expected:
        sys.exit(f"found {found!r}, expected {expected!r}")


for kind in ("plain", "eight-bit"):
    raw = subprocess.run([sys.argv[1], kind], check=True, capture_output=True).stdout
    equal(raw.count(b"\n"), raw.count(b"\r\n"))
    equal(raw.count(b"\r"), raw.count(b"\r\n"))
    equal(any(byte > 127 for byte in raw), kind == "eight-bit")
    equal(max(map(len, raw.split(b"\r\n"))) <= 998, True)
    report = email.message_from_bytes(raw, policy=email.policy.default)
    for part in report.walk():
        equal(part.defects, [])
    equal(report.get_content_type(), "multipart/report")
    equal(report.get_param("report-type"), "delivery-status")
    equal(report["Auto-Submitted"], "auto-generated")
    equal(report["To"].addresses[0].addr_spec, "list@sender.example")
    equal(report["From"].addresses[0].addr_spec, "MAILER-DAEMON@relay.example")
    equal(report["From"].addresses[0].display_name, "Mail Delivery Subsystem")
    equal(report["Content-Transfer-Encoding"], "8bit" if kind == "eight-bit" else "7bit")
    equal(str(report["Date"].datetime), "2023-11-14 22:16:40+00:00")

    text, status, header = report.iter_parts()
    equal(text.get_content_type(), "text/plain")
    equal("gone@x.example" in text.get_content(), True)
    equal(status.get_content_type(), "message/delivery-status")
    equal(header.get_content_type(), "text/rfc822-headers")
    equal(b"Subject: Our news" in header.get_payload(decode=True), True)
    equal(b"X-Folded: one\r\n\ttwo" in raw, True)
    equal(b"not returned" in raw, False)

    about, *recipients = status.get_payload()
    equal(about["Reporting-MTA"], "dns; relay.example")
    equal(about["Received-From-MTA"], "dns; client.example")
    equal(about["Original-Envelope-Id"], "QQ+314")
    equal(about["Arrival-Date"], "Tue, 14 Nov 2023 22:13:20 +0000")
    equal(len(recipients), 3)
    gone, slow, own = recipients
    equal(gone["Final-Recipient"], "rfc822; gone@x.example")
    equal([r["Action"] for r in recipients], ["failed"] * 3)
    equal([r["Status"] for r in recipients], ["5.1.1", "4.4.7", "5.0.0"])
    equal(gone["Remote-MTA"], "dns; mx.x.example")
    equal(" ".join(gone["Diagnostic-Code"].split()),
          "smtp; 550 5.1.1 No such user here, and a long explanation of it that needs to be folded")
    equal(gone["Last-Attempt-Date"], "Tue, 14 Nov 2023 22:15:00 +0000")
    equal(own["Remote-MTA"], None)
print("both reports read alike")
