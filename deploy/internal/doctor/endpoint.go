package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"countersign/bot"
	"countersign/deploy/internal/awsconfig"
)

const (
	nameAPI = "API"

	// probeBody is Slack's check of a request URL: the bot answers 200 and does
	// nothing else.
	probeBody = "ssl_check=1"
	slowReply = 2 * time.Second // Slack gives up after 3 s
)

// reply is the bot's answer to a probe.
type reply struct {
	status int
	took   time.Duration
	err    error
}

// checkAPI sends the bot four probes: signed with a wrong secret, which is timed;
// unsigned; signed as Slack signs now; and signed ten minutes ago, as in a replay.
func (d *doctor) checkAPI(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil || s.outputs["SlackRequestUrl"] == "" {
		return []Finding{needs(nameAPI, nameStack)}
	}
	address := s.outputs["SlackRequestUrl"]
	if !isPrivate(address) {
		return []Finding{fault(nameAPI, "the stack's output SlackRequestUrl is not an https URL: "+address, "Redeploy:"+redeploy)}
	}
	d.clocks.name(address, clockAPI)
	b, _ := d.bot() // for its metrics and its log
	idle := d.idleSince(ctx, b)
	first := d.probe(ctx, address, wrongSecret, d.now())
	unsigned := d.probe(ctx, address, "", time.Time{})
	// Sign by the API's clock, so that a wrong clock on this machine does not look
	// like a wrong secret.
	ahead, _ := d.clocks.offset(clockAPI)
	now := d.now().Add(ahead)
	findings := []Finding{d.judgeUnsigned(address, b, unsigned)}
	if findings[0].Level != OK {
		return findings
	}
	if first.err == nil {
		findings = append(findings, d.judgeResponseTime(first.took, idle, b))
	}
	sec, err := d.secret()
	switch {
	case err != nil:
		return append(findings, needs("API signature", nameSecret))
	case len(sec.SigningSecrets) == 0:
		if d.usesSlack() {
			return append(findings, needs("API signature", nameSecret))
		}
		return findings
	}
	signed := d.probe(ctx, address, sec.SigningSecrets[0], now)
	replay := d.probe(ctx, address, sec.SigningSecrets[0], now.Add(-10*time.Minute))
	return append(findings, d.judgeSigned(address, b, signed, replay))
}

// probe sends probeBody, signed as Slack would at that time unless secret is empty.
// See
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func (d *doctor) probe(ctx context.Context, address, secret string, at time.Time) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(probeBody))
	if err != nil {
		return reply{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		bot.Sign(req.Header, secret, at, []byte(probeBody))
	}
	begun := time.Now()
	res, err := d.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, 1<<16)
	return reply{status: res.StatusCode, took: time.Since(begun)}
}

// judgeUnsigned judges the answer to a request without a signature.
func (d *doctor) judgeUnsigned(address string, b deployedFunction, r reply) Finding {
	switch {
	case r.err != nil:
		return fault(nameAPI, address+" does not answer: "+awsconfig.Reason(r.err), "Check the network between this machine and the API (VPN, proxy, DNS). If the network is fine, check whether the API was changed or deleted:"+
			d.cli("cloudformation detect-stack-drift --stack-name %s", d.Stack))
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return ok(nameAPI, "refuses unsigned requests; the app's Interactivity Request URL in Slack must be %s", address)
	case r.status == http.StatusNotFound:
		return fault(nameAPI, address+" returns 404: clicks do not arrive", "Look for this request in the bot's log:"+d.logs(b)+"\nIf it is not there, the API's route or stage was changed by hand. "+restore)
	case r.status < 300:
		return fault(nameAPI, fmt.Sprintf("%s accepts unsigned requests (%d): it is not this bot, or a different version", address, r.status), "Redeploy:"+redeploy)
	case r.status == http.StatusServiceUnavailable:
		return fault(nameAPI, "the bot cannot verify signatures (503): most likely it cannot read the secret", "Find the reason in its log:"+d.logs(b))
	}
	return fault(nameAPI, fmt.Sprintf("%s returns HTTP status %d: clicks are not accepted", address, r.status), "Find the reason in the bot's log:"+d.logs(b))
}

// judgeSigned judges the answers to a signed request and to a stale one.
func (d *doctor) judgeSigned(address string, b deployedFunction, signed, replay reply) Finding {
	const name = "API signature"
	switch {
	case signed.err != nil || replay.err != nil:
		return unchecked(name, address+" does not always answer: "+awsconfig.Reason(errors.Join(signed.err, replay.err)), "Run the doctor again. If it fails again, look at the bot's log:"+d.logs(b))
	case signed.status == http.StatusForbidden:
		return fault(name, "the API refuses requests signed as by Slack (403): clicks are not accepted",
			"The URL must be public. A Function URL needs the permissions lambda:InvokeFunctionUrl and lambda:InvokeFunction; a WAF or proxy in front of it may also refuse. "+restore)
	case signed.status == http.StatusUnauthorized:
		return fault(name, "the bot refuses requests signed with the first of signingSecrets (401): it has read a different one, or its clock is wrong",
			"The bot rereads the secret within about a minute: run the doctor again then. If it still fails, look at the bot's log:"+d.logs(b))
	case signed.status != http.StatusOK:
		return fault(name, fmt.Sprintf("the bot answers a signed request with HTTP status %d", signed.status), "Find the reason in its log:"+d.logs(b))
	case replay.status == http.StatusOK:
		return fault(name, "the bot accepts requests that were signed ten minutes ago, so they can be replayed", "It runs a different version. Redeploy:"+redeploy)
	case signed.took > slowReply:
		return warning(name, fmt.Sprintf("the bot takes %s to answer a signed request; Slack gives up after 3 s", signed.took.Round(100*time.Millisecond)),
			"It was not a cold start, as the bot had just answered others. Run the doctor again. If it is still slow, look at the bot's log:"+d.logs(b))
	}
	return ok(name, "the bot accepts requests signed with the signing secret, and refuses replays after 10 minutes")
}
