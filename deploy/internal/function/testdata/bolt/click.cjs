// A Lambda function that handles a click as a bot written with Bolt does, one call
// after the other. See TestClickTime. It has no AWS SDK: requests to DynamoDB and for
// the secret are unsigned, and answered by a server that only waits.
const { App, AwsLambdaReceiver, LogLevel } = require('@slack/bolt');

const { ORIGIN: origin, AWS_LAMBDA_RUNTIME_API: runtime } = process.env;

async function call(path, method = 'POST', body = '{}') {
  const response = await fetch(origin + path, { method, body });
  return response.json();
}

async function start() {
  const { signingSecret, token } = await call('/secret');
  const receiver = new AwsLambdaReceiver({ signingSecret, logLevel: LogLevel.ERROR });
  const app = new App({ receiver, token, logLevel: LogLevel.ERROR, clientOptions: { slackApiUrl: `${origin}/api/` } });
  app.action('approve', async ({ ack, body, client }) => {
    await call('/dynamodb'); // read the request
    await call('/dynamodb'); // write the decision, on condition
    await call('/signal', 'PUT');
    const channel = body.channel.id;
    const { ts } = body.message;
    await client.chat.update({ channel, ts, text: 'approved', blocks: [] });
    await client.chat.postMessage({ channel, thread_ts: ts, text: 'approved' });
    await ack();
  });
  return receiver.start();
}

async function main() {
  const handler = await start();
  for (;;) {
    const next = await fetch(`http://${runtime}/2018-06-01/runtime/invocation/next`);
    const id = next.headers.get('lambda-runtime-aws-request-id');
    const response = await handler(await next.json(), {});
    await fetch(`http://${runtime}/2018-06-01/runtime/invocation/${id}/response`, { method: 'POST', body: JSON.stringify(response) });
  }
}

main();
