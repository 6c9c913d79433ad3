// Objects by the AWS SDK for JavaScript v2.
const { S3 } = require("aws-sdk");
const { randomBytes } = require("node:crypto");

(async () => {
  const s3 = new S3({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true, signatureVersion: "v4" });
  const Bucket = "two";
  await s3.createBucket({ Bucket }).promise();
  await s3.putObject({ Bucket, Key: "small", Body: "hello", ContentType: "text/plain" }).promise();
  const small = await s3.getObject({ Bucket, Key: "small" }).promise();
  const bytes = randomBytes(11 * 1024 * 1024);
  await s3.upload({ Bucket, Key: "large", Body: bytes }).promise();
  const large = await s3.getObject({ Bucket, Key: "large" }).promise();
  const link = s3.getSignedUrl("getObject", { Bucket, Key: "small" });
  const listed = await s3.listObjectsV2({ Bucket }).promise();
  const missing = await s3.getObject({ Bucket, Key: "none" }).promise().catch((error) => error.code);
  console.log(JSON.stringify({
    small: small.Body.toString(),
    type: small.ContentType,
    large: Buffer.compare(bytes, large.Body) === 0,
    presigned: await (await fetch(link)).text(),
    keys: listed.Contents.map((one) => one.Key),
    missing,
  }));
})();
