package doctor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	nameDoor = "API"

	// harmless is a request that the bot answers with 200 and does nothing for:
	// Slack's own check of an address.
	harmless = "ssl_check=1"
	slow     = 2 * time.Second // Slack waits for 3 s
)

// knock is how the bot answered a request.
type knock struct {
	status int
	took   time.Duration
	err    error
}

// checkDoor knocks as a stranger, as Slack, and as somebody who repeats what
// Slack said ten minutes ago.
func (d *doctor) checkDoor(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil || s.outputs["SlackRequestUrl"] == "" {
		return []Finding{needs(nameDoor, nameStack)}
	}
	address := s.outputs["SlackRequestUrl"]
	if !guarded(address) {
		return []Finding{fault(nameDoor, "the stack's SlackRequestUrl is no https address: "+address, "Deploy again:"+redeploy)}
	}
	d.clocks.name(address, clockAPI)
	stranger := d.knock(ctx, address, "", time.Time{})
	// Signed by the bot's own clock, so that a wrong one here is not taken for a
	// wrong secret.
	there, _ := d.clocks.of(clockAPI)
	now := d.now().Add(there)
	b, _ := d.bot() // for its log
	findings := []Finding{d.judgeStranger(address, b, stranger)}
	if findings[0].Level != OK {
		return findings
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
	slack := d.knock(ctx, address, sec.SigningSecrets[0], now)
	replay := d.knock(ctx, address, sec.SigningSecrets[0], now.Add(-10*time.Minute))
	return append(findings, d.judgeSigned(address, b, slack, replay))
}

// knock sends the harmless request, signed as Slack signs at that time unless
// secret is empty. See
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func (d *doctor) knock(ctx context.Context, address, secret string, at time.Time) knock {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(harmless))
	if err != nil {
		return knock{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("v0:" + stamp + ":" + harmless))
		req.Header.Set("X-Slack-Request-Timestamp", stamp)
		req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	}
	begun := time.Now()
	res, err := d.client.Do(req)
	if err != nil {
		return knock{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, 1<<16)
	return knock{status: res.StatusCode, took: time.Since(begun)}
}

// judgeStranger judges the answer to a request without a signature.
func (d *doctor) judgeStranger(address string, b deployed, k knock) Finding {
	switch {
	case k.err != nil:
		return fault(nameDoor, address+" does not answer: "+reason(k.err), "Look at the network between here and there (VPN, proxy, DNS). If that is well, see what became of the API:"+
			d.cli("cloudformation detect-stack-drift --stack-name "+d.Stack))
	case k.status == http.StatusUnauthorized, k.status == http.StatusForbidden:
		return ok(nameDoor, "refuses what Slack has not signed; Slack's Interactivity Request URL must be %s", address)
	case k.status == http.StatusNotFound:
		return fault(nameDoor, address+" is not found (404): no click arrives", "The route or stage is gone, or the bot has no Slack route. Look at the log; if nothing has come there, somebody has changed the API:"+d.logs(b)+"\n"+putBack)
	case k.status < 300:
		return fault(nameDoor, fmt.Sprintf("%s takes requests that nobody has signed (%d): it is not this bot, or not this version", address, k.status), "Deploy again:"+redeploy)
	case k.status == http.StatusServiceUnavailable:
		return fault(nameDoor, "the bot cannot verify requests (503): most likely it cannot read the secret", "Look at its log:"+d.logs(b))
	}
	return fault(nameDoor, fmt.Sprintf("%s answers with HTTP status %d: no click is taken", address, k.status), "Look at the bot's log:"+d.logs(b))
}

// judgeSigned judges the answers to a signed request and to a stale one.
func (d *doctor) judgeSigned(address string, b deployed, slack, replay knock) Finding {
	const name = "API signature"
	switch {
	case slack.err != nil || replay.err != nil:
		return unchecked(name, address+" does not answer every time: "+reason(errors.Join(slack.err, replay.err)), "Run the doctor again; then look at the bot's log:"+d.logs(b))
	case slack.status == http.StatusForbidden:
		return fault(name, "the API forbids even what Slack has signed (403): no click is taken",
			"The address is not public. A Function URL needs both permissions, lambda:InvokeFunctionUrl and lambda:InvokeFunction; or something before it refuses. "+putBack)
	case slack.status == http.StatusUnauthorized:
		return fault(name, "the bot refuses what is signed with the secret's first signing secret (401): it holds another one, or its clock is wrong",
			"It reads the secret anew within a minute or so: run the doctor again then. If it stays so, look at the log:"+d.logs(b))
	case slack.status != http.StatusOK:
		return fault(name, fmt.Sprintf("the bot answers a signed request with HTTP status %d", slack.status), "Look at its log:"+d.logs(b))
	case replay.status == http.StatusOK:
		return fault(name, "the bot takes requests that were signed ten minutes ago: whoever has seen one can repeat it", "It is not this version. Deploy again:"+redeploy)
	case slack.took > slow:
		return warning(name, fmt.Sprintf("the bot takes what Slack has signed, after %s: Slack gives up after 3 s", slack.took.Round(100*time.Millisecond)),
			"It may have been a cold start: run the doctor again. If it stays so, give the bot more memory.")
	}
	return ok(name, "the bot takes what is signed with the secret's signing secret, and refuses it ten minutes later")
}
