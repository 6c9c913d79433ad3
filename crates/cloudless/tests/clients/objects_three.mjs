// Objects by the AWS SDK for JavaScript v3.
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { randomBytes } from "node:crypto";

const s3 = new S3Client({ forcePathStyle: true });
const Bucket = "three";
await s3.send(new CreateBucketCommand({ Bucket }));
await s3.send(new PutObjectCommand({ Bucket, Key: "small", Body: "hello", ContentType: "text/plain" }));
const small = await s3.send(new GetObjectCommand({ Bucket, Key: "small" }));
const bytes = randomBytes(11 * 1024 * 1024);
await new Upload({ client: s3, params: { Bucket, Key: "large", Body: bytes } }).done();
const large = await s3.send(new GetObjectCommand({ Bucket, Key: "large" }));
const link = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "small" }), { expiresIn: 60 });
const listed = await s3.send(new ListObjectsV2Command({ Bucket }));
const missing = await s3.send(new GetObjectCommand({ Bucket, Key: "none" })).catch((error) => error.name);
console.log(JSON.stringify({
  small: await small.Body.transformToString(),
  type: small.ContentType,
  large: Buffer.compare(bytes, Buffer.from(await large.Body.transformToByteArray())) === 0,
  presigned: await (await fetch(link)).text(),
  keys: listed.Contents.map((one) => one.Key),
  missing,
}));
