// Reads requests to the bot and the bot's responses from standard input, lets Bolt
// handle and verify them, and writes the results as JSON. See bolt_test.go.
const { App, AwsLambdaReceiver, LogLevel, isValidSlackRequest } = require('@slack/bolt');
const { readFileSync } = require('node:fs');

const { secret, events, requests } = JSON.parse(readFileSync(0, 'utf8'));

async function main() {
  const receiver = new AwsLambdaReceiver({ signingSecret: secret, logLevel: LogLevel.ERROR });
  const app = new App({
    receiver,
    logLevel: LogLevel.ERROR,
    authorize: async () => ({ botToken: 'xoxb-unused', botId: 'B0', botUserId: 'U0' }),
  });
  let seen, acknowledge; // for the current event
  app.action(/.*/, async ({ ack, action, body, context }) => {
    seen = {
      kind: body.type, id: action.action_id, value: action.value, block: action.block_id, type: action.type,
      user: context.userId, team: context.teamId, app: body.api_app_id,
      channel: body.channel?.id, ts: body.message?.ts, trigger: body.trigger_id, responseUrl: body.response_url,
    };
    await ack(acknowledge);
  });
  app.view(/.*/, async ({ ack, body, view, context }) => {
    seen = {
      kind: body.type, id: view.callback_id, value: view.private_metadata, type: view.type, typed: view.state.values,
      user: context.userId, team: context.teamId, app: body.api_app_id, trigger: body.trigger_id,
    };
    await ack(acknowledge);
  });
  app.command(/.*/, async ({ ack, command, body, context }) => {
    seen = {
      kind: 'command', id: command.command, value: command.text, user: context.userId, team: context.teamId, app: body.api_app_id,
      channel: command.channel_id, trigger: command.trigger_id, responseUrl: command.response_url,
    };
    await ack(acknowledge);
  });
  app.event('app_home_opened', async ({ event, body, context }) => {
    seen = { kind: body.type, id: event.type, value: event.tab, user: event.user, team: context.teamId, app: body.api_app_id, channel: event.channel };
  });
  const handler = await receiver.start();

  const answers = [];
  for (const { event, ack } of events) {
    seen = undefined;
    acknowledge = ack ?? undefined;
    const { statusCode, headers, body } = await handler(event, {});
    answers.push({ statusCode, contentType: headers?.['Content-Type'] ?? '', body, seen });
  }
  const valid = requests.map(({ now, stamp, signature, body }) => isValidSlackRequest({
    signingSecret: secret,
    nowMilliseconds: now * 1000,
    headers: { 'x-slack-request-timestamp': Number(stamp), 'x-slack-signature': signature },
    body,
  }));
  process.stdout.write(JSON.stringify({ answers, valid }));
}

main();
