exports.stable = async (event) => ({
  statusCode: 200,
  statusDescription: '200 OK',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ by: 'stable', path: event.path, page: event.queryStringParameters.page }),
});

// Its target group wants all values of headers and query parameters, as lists.
exports.canary = async (event) => ({
  statusCode: 200,
  statusDescription: '200 OK',
  multiValueHeaders: { 'Content-Type': ['application/json'], 'Set-Cookie': ['seen=canary', 'path=/'] },
  body: JSON.stringify({ by: 'canary', path: event.path, page: event.multiValueQueryStringParameters.page }),
});
